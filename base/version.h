/* version.h — the release, semantic versioning 2.0.0; CMakeLists.txt reads it from here. */
#pragma once

#define FENLU_VERSION "0.1.0"
