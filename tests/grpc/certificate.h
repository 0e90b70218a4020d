/* certificate.h — a self-signed certificate for "localhost" and 127.0.0.1, made for one test run.
 */
#pragma once

#include "base/assert.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct certificate {
    char folder[64];
    char certificate_file[96];
    char key_file[96];
};

static inline void certificate_extend(X509 *x509, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    ASSERT(extension != NULL);
    int added = X509_add_ext(x509, extension, -1);
    ASSERT(added == 1);
    X509_EXTENSION_free(extension);
}

static inline void certificate_make(struct certificate *made)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(made->folder, sizeof made->folder, "%s/fenlu-tls-XXXXXX",
                   base == NULL || strlen(base) > 30 ? "/tmp" : base);
    char *folder = mkdtemp(made->folder);
    ASSERT(folder != NULL);
    (void)snprintf(made->certificate_file, sizeof made->certificate_file, "%s/cert.pem", folder);
    (void)snprintf(made->key_file, sizeof made->key_file, "%s/key.pem", folder);

    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    ASSERT(key != NULL && x509 != NULL);
    int done = X509_set_version(x509, X509_VERSION_3);
    done &= ASN1_INTEGER_set(X509_get_serialNumber(x509), 7);
    done &= X509_gmtime_adj(X509_getm_notBefore(x509), -3600) != NULL;
    done &= X509_gmtime_adj(X509_getm_notAfter(x509), 3600) != NULL;
    X509_NAME *name = X509_get_subject_name(x509);
    done &= X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                       -1, -1, 0);
    done &= X509_set_issuer_name(x509, name);
    done &= X509_set_pubkey(x509, key);
    ASSERT(done == 1);
    certificate_extend(x509, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    certificate_extend(x509, NID_basic_constraints, "critical,CA:TRUE");
    int signature_size = X509_sign(x509, key, EVP_sha256());
    ASSERT(signature_size > 0);

    FILE *file = fopen(made->certificate_file, "w");
    ASSERT(file != NULL);
    done = PEM_write_X509(file, x509);
    ASSERT(done == 1 && fclose(file) == 0);
    file = fopen(made->key_file, "w");
    ASSERT(file != NULL);
    done = PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    ASSERT(done == 1 && fclose(file) == 0);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static inline void certificate_remove(const struct certificate *made)
{
    (void)unlink(made->certificate_file);
    (void)unlink(made->key_file);
    (void)rmdir(made->folder);
}
