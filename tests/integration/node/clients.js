// The calls of Fenlu through Node's gRPC client.
//
//     node clients.js HOST:PORT PROTO_FOLDER      on a ledger that is fresh, for the ids begin at 1
//
// Prints "ok NAME" or "FAILED NAME" for each case; exit code 1 when one failed.
'use strict';

const assert = require('node:assert/strict');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const [address, protoFolder] = process.argv.slice(2);
const MESSAGE_MAX = 4 * 1024 * 1024;
const CALL_TIMEOUT_MS = 10000;

// --- messages

const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const definition = loader.loadSync(
  [
    'fenlu/v1/ledger.proto',
    'grpc/health/v1/health.proto',
    'grpc/reflection/v1/reflection.proto',
    'grpc/reflection/v1alpha/reflection.proto',
  ],
  { ...OPTIONS, includeDirs: [protoFolder] },
);
const api = grpc.loadPackageDefinition(definition);

const messages = new protobuf.Root();
messages.resolvePath = (origin, target) => (target.startsWith('google/protobuf/')
  ? protobuf.util.path.resolve(origin, target) : `${protoFolder}/${target}`);
messages.loadSync(['fenlu/v1/errors.proto', 'google/rpc/status.proto']);

let lastId = 0n;

function idBytes(number) {
  return Buffer.from(number.toString(16).padStart(32, '0'), 'hex');
}

function newIds(count) {
  return Array.from({ length: count }, () => idBytes(++lastId));
}

function account(id, fields = {}) {
  return { id, ledger: 1, code: 1, ...fields };
}

function transfer(id, debit, credit, amount, fields = {}) {
  return {
    id, debit_account_id: debit, credit_account_id: credit, amount, ledger: 1, code: 1, ...fields,
  };
}

// --- calls

const credentials = grpc.credentials.createInsecure();
const ledger = new api.fenlu.v1.Ledger(address, credentials);

function deadline(ms = CALL_TIMEOUT_MS) {
  return { deadline: Date.now() + ms };
}

// A unary call as a promise of its answer.
function call(client, method, request, options = deadline()) {
  return new Promise((resolve, reject) => {
    client[method](request, options, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

const createAccounts = (accounts) => call(ledger, 'CreateAccounts', { accounts });
const createTransfers = (transfers, options) => (
  call(ledger, 'CreateTransfers', { transfers }, options));
const lookupAccounts = async (ids) => (await call(ledger, 'LookupAccounts', { ids })).accounts;
const lookupTransfers = async (ids) => (await call(ledger, 'LookupTransfers', { ids })).transfers;

// CreateAccounts with the request's bytes as they are.
function createAccountsRaw(bytes) {
  const method = api.fenlu.v1.Ledger.service.CreateAccounts;
  return new Promise((resolve, reject) => {
    ledger.makeUnaryRequest(method.path, (data) => data, method.responseDeserialize, bytes,
      new grpc.Metadata(), deadline(),
      (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

function statuses(answer) {
  return answer.results.map((result) => result.status.replace(/^(ACCOUNT|TRANSFER)_STATUS_/, ''));
}

// The error of a call that must fail.
async function failure(promise, code) {
  let answer;
  try {
    answer = await promise;
  } catch (error) {
    assert.equal(error.code, code, `${error.message}`);
    return error;
  }
  throw new Error(`the call must fail, but answered ${JSON.stringify(answer).slice(0, 300)}`);
}

function errorDetail(error) {
  const [data] = error.metadata.get('grpc-status-details-bin');
  assert.ok(data, `no details: ${error.message}`);
  const status = messages.lookupType('google.rpc.Status').decode(data);
  assert.equal(status.code, error.code);
  assert.equal(status.details[0].type_url, 'type.googleapis.com/fenlu.v1.ErrorDetail');
  const type = messages.lookupType('fenlu.v1.ErrorDetail');
  return type.toObject(type.decode(status.details[0].value), { enums: String, defaults: true });
}

async function makeAccounts(count) {
  const ids = newIds(count);
  const answer = await createAccounts(ids.map((id) => account(id)));
  assert.deepEqual(statuses(answer), ids.map(() => 'CREATED'));
  return ids;
}

async function debitsPosted(id) {
  return (await lookupAccounts([id]))[0].debits_posted;
}

// --- cases

const cases = {
  async accounts_and_transfers_are_created_and_found() {
    const [debit, credit, id, missing] = newIds(4);
    const made = await createAccounts([
      account(debit, { user_data_64: '18446744073709551615', ledger: 7 }),
      account(credit, { ledger: 7 }),
    ]);
    assert.deepEqual(statuses(made), ['CREATED', 'CREATED']);
    const posted = await createTransfers([
      transfer(id, debit, credit, '5', { amount_hi: '1', ledger: 7 }),
    ]);
    assert.deepEqual(statuses(posted), ['CREATED']);
    assert.ok(BigInt(posted.log_index) > BigInt(made.log_index));
    const found = await lookupAccounts([credit, missing, debit]);
    assert.deepEqual(found.map((a) => a.id), [credit, debit]);
    assert.equal(found[1].user_data_64, '18446744073709551615');
    assert.equal(found[1].debits_posted, '5');
    assert.equal(found[1].debits_posted_hi, '1');
    assert.equal(found[0].credits_posted_hi, '1');
    const [back] = await lookupTransfers([missing, id]);
    assert.deepEqual(back.debit_account_id, debit);
    assert.equal(back.timestamp, posted.results[0].timestamp);
  },

  async a_duplicate_exists() {
    const [debit, credit] = await makeAccounts(2);
    const item = transfer(newIds(1)[0], debit, credit, 3);
    const first = await createTransfers([item]);
    const again = await createTransfers([item]);
    assert.deepEqual([statuses(first), statuses(again)], [['CREATED'], ['EXISTS']]);
    assert.equal(again.results[0].timestamp, first.results[0].timestamp);
    assert.deepEqual(statuses(await createAccounts([account(debit)])), ['EXISTS']);
    assert.equal(await debitsPosted(debit), '3');
  },

  async a_conflicting_duplicate_says_what_differs() {
    const [debit, credit, other] = await makeAccounts(3);
    const [id] = newIds(1);
    await createTransfers([transfer(id, debit, credit, 3)]);
    const answer = await createTransfers([
      transfer(id, debit, credit, 4),
      transfer(id, other, credit, 3),
      transfer(id, debit, credit, 3, { code: 2 }),
    ]);
    assert.deepEqual(statuses(answer), ['EXISTS_WITH_DIFFERENT_AMOUNT',
      'EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID', 'EXISTS_WITH_DIFFERENT_CODE']);
    const accounts = await createAccounts([account(debit, { code: 9 })]);
    assert.deepEqual(statuses(accounts), ['EXISTS_WITH_DIFFERENT_CODE']);
    assert.equal(await debitsPosted(debit), '3');
  },

  async a_linked_chain_fails_as_one() {
    const [debit, credit] = await makeAccounts(2);
    const [a, b, c] = newIds(3);
    const answer = await createTransfers([
      transfer(a, debit, credit, 1, { flags: 1 }),
      transfer(b, debit, debit, 2),
      transfer(c, debit, credit, 4),
    ]);
    assert.deepEqual(statuses(answer),
      ['LINKED_EVENT_FAILED', 'ACCOUNTS_MUST_BE_DIFFERENT', 'CREATED']);
    assert.deepEqual((await lookupTransfers([a, b, c])).map((t) => t.id), [c]);
    assert.equal(await debitsPosted(debit), '4');
  },

  async a_wrong_id_length_is_refused_by_name() {
    const error = await failure(createAccounts([account(newIds(1)[0]), account(Buffer.alloc(15))]),
      grpc.status.INVALID_ARGUMENT);
    assert.deepEqual(errorDetail(error), {
      reason: 'INVALID', outcome: 'OUTCOME_NOT_APPLIED', field: 'accounts[1].id', retryable: false,
    });
  },

  async a_deadline_ends_a_call_and_nothing_else() {
    const [debit, credit] = await makeAccounts(2);
    const items = newIds(2000).map((id) => transfer(id, debit, credit, 1));
    await failure(createTransfers(items, deadline(1)), grpc.status.DEADLINE_EXCEEDED);
    for (const status of statuses(await createTransfers(items))) {
      assert.ok(status === 'CREATED' || status === 'EXISTS', status);
    }
    assert.equal(await debitsPosted(debit), '2000');
  },

  async cancelled_calls_leave_the_server_well() {
    const [debit, credit] = await makeAccounts(2);
    const items = newIds(200).map((id) => transfer(id, debit, credit, 1));
    const codes = await Promise.all(items.map((item) => new Promise((resolve) => {
      const under_way = ledger.CreateTransfers({ transfers: [item] }, deadline(), (error) => {
        resolve(error ? error.code : grpc.status.OK);
      });
      setImmediate(() => under_way.cancel());
    })));
    assert.ok(codes.includes(grpc.status.CANCELLED), `${new Set(codes)}`);
    for (const code of codes) {
      assert.ok(code === grpc.status.CANCELLED || code === grpc.status.OK, `${code}`);
    }
    for (const status of statuses(await createTransfers(items))) {
      assert.ok(status === 'CREATED' || status === 'EXISTS', status);
    }
    assert.equal(await debitsPosted(debit), '200');
  },

  async health_is_served() {
    const health = new api.grpc.health.v1.Health(address, credentials);
    const answer = await call(health, 'Check', { service: 'fenlu.v1.Ledger' });
    assert.equal(answer.status, 'SERVING');
    await failure(call(health, 'Check', { service: 'no.such' }), grpc.status.NOT_FOUND);
    const first = await new Promise((resolve, reject) => {
      const stream = health.Watch({ service: '' }, deadline());
      stream.once('data', (update) => {
        resolve(update);
        stream.on('error', (error) => assert.equal(error.code, grpc.status.CANCELLED));
        stream.cancel();
      });
      stream.once('error', reject);
    });
    assert.equal(first.status, 'SERVING');
    health.close();
  },

  async reflection_is_enough_for_a_client() {
    for (const version of ['v1', 'v1alpha']) {
      const client = new api.grpc.reflection[version].ServerReflection(address, credentials);
      const answers = await new Promise((resolve, reject) => {
        const all = [];
        const stream = client.ServerReflectionInfo(deadline());
        stream.on('data', (answer) => all.push(answer));
        stream.on('end', () => resolve(all));
        stream.on('error', reject);
        stream.write({ list_services: '' });
        stream.write({ file_containing_symbol: 'fenlu.v1.Ledger' });
        stream.write({ file_containing_symbol: 'no.such.Thing' });
        stream.end();
      });
      client.close();
      assert.equal(answers.length, 3);
      const names = answers[0].list_services_response.service.map((service) => service.name);
      assert.ok(names.includes('fenlu.v1.Ledger'), `${names}`);
      assert.equal(answers[2].error_response.error_code, grpc.status.NOT_FOUND);
      const files = answers[1].file_descriptor_response.file_descriptor_proto;
      const writer = protobuf.Writer.create(); // a FileDescriptorSet: repeated bytes, field 1
      files.forEach((file) => writer.uint32(10).bytes(file));
      const told = grpc.loadPackageDefinition(
        loader.loadFileDescriptorSetFromBuffer(Buffer.from(writer.finish()), OPTIONS));
      assert.deepEqual(Object.keys(told.fenlu.v1.Ledger.service).sort(),
        Object.keys(api.fenlu.v1.Ledger.service).sort());
      const stranger = new told.fenlu.v1.Ledger(address, credentials);
      const answer = await call(stranger, 'CreateAccounts', { accounts: [account(newIds(1)[0])] });
      assert.deepEqual(statuses(answer), ['CREATED']);
      stranger.close();
    }
  },

  async messages_up_to_4_mib_are_taken() {
    const [largest, over] = newIds(2);
    const { requestSerialize } = api.fenlu.v1.Ledger.service.CreateAccounts;
    // The request, and an unknown field (100) that fills it up: 2 bytes of tag, 4 of length.
    const padded = (id, size) => {
      const data = requestSerialize({ accounts: [account(id)] });
      const padding = Buffer.alloc(size - data.length - 6);
      const writer = protobuf.Writer.create().uint32((100 << 3) | 2).bytes(padding);
      const whole = Buffer.concat([data, writer.finish()]);
      assert.equal(whole.length, size);
      return whole;
    };
    const answer = await createAccountsRaw(padded(largest, MESSAGE_MAX));
    assert.deepEqual(statuses(answer), ['CREATED']);
    const error = await failure(createAccountsRaw(padded(over, MESSAGE_MAX + 1)),
      grpc.status.RESOURCE_EXHAUSTED);
    assert.match(error.details, /4194305.*4194304/);
    assert.equal(errorDetail(error).reason, 'TOO_LARGE');
    assert.equal((await lookupAccounts([largest, over])).length, 1);
  },

  async a_thousand_calls_at_once_on_one_connection() {
    const [debit, credit] = await makeAccounts(2);
    const answers = await Promise.all(newIds(1000).map((id) => (
      createTransfers([transfer(id, debit, credit, 3)], deadline(30000)))));
    answers.forEach((answer) => assert.deepEqual(statuses(answer), ['CREATED']));
    assert.equal(await debitsPosted(debit), '3000');
  },
};

async function main() {
  for (const [name, run] of Object.entries(cases)) {
    const begin = Date.now();
    try {
      await run();
      console.log(`ok ${name} (${((Date.now() - begin) / 1000).toFixed(2)} s)`);
    } catch (error) {
      console.log(`${error.stack}\nFAILED ${name}`);
      process.exitCode = 1;
    }
  }
  ledger.close();
}

main();
