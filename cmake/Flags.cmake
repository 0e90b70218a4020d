# Compiler and linker flags, as one interface target that every target of ours links.
# Warnings: each is accepted by gcc 12 and clang 14. Assertions stay on in every build type:
# NDEBUG is stripped, and base/assert.h does not look at it.
add_library(fenlu_flags INTERFACE)

foreach(type RELEASE RELWITHDEBINFO MINSIZEREL)
  string(REGEX REPLACE "[-/]D *NDEBUG" "" CMAKE_C_FLAGS_${type} "${CMAKE_C_FLAGS_${type}}")
  set(CMAKE_C_FLAGS_${type} "${CMAKE_C_FLAGS_${type}}" CACHE STRING "" FORCE)
endforeach()
string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")

target_include_directories(fenlu_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(fenlu_flags INTERFACE
  -g -fno-omit-frame-pointer -fno-common
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wundef -Wvla
  -Wformat=2 -Wnull-dereference -Wdouble-promotion -Wfloat-equal
  -Wswitch-enum -Wimplicit-fallthrough -Wredundant-decls -Wdate-time
  -Werror=implicit-function-declaration -Werror=incompatible-pointer-types
  -Werror=int-conversion -Werror=return-type -Werror=unused-result)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(fenlu_flags INTERFACE
    -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init -Wbidi-chars=any)
else()
  target_compile_options(fenlu_flags INTERFACE
    -Wmissing-variable-declarations -Wcomma -Wassign-enum -Wunreachable-code
    -Wconditional-uninitialized -Wheader-hygiene)
endif()
if(FENLU_DEVELOPER)
  target_compile_options(fenlu_flags INTERFACE -Werror)
endif()

# Seeded bugs (base/mutation.h). The header refuses to compile when both are defined.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(fenlu_flags INTERFACE FENLU_RELEASE)
endif()
if(FENLU_MUTATIONS)
  target_compile_definitions(fenlu_flags INTERFACE FENLU_MUTATIONS)
endif()

# What ships is optimised as one piece. Objects hold machine code, too, so that the tests of a release
# build, which are many, link as quickly as ever: the property FENLU_WHOLE is for the program.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(fenlu_flags INTERFACE -flto=auto -ffat-lto-objects)
  target_link_options(fenlu_flags INTERFACE
    $<IF:$<BOOL:$<TARGET_PROPERTY:FENLU_WHOLE>>,-flto=auto,-fno-lto>)
endif()

# Hardening. _FORTIFY_SOURCE needs optimisation and fights the sanitizers.
target_compile_options(fenlu_flags INTERFACE -fstack-protector-strong)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  target_compile_options(fenlu_flags INTERFACE -fcf-protection=full -fstack-clash-protection)
endif()
if(NOT FENLU_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(fenlu_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
target_link_options(fenlu_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)

if(FENLU_SANITIZE)
  target_compile_options(fenlu_flags INTERFACE -fsanitize=${FENLU_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(fenlu_flags INTERFACE -fsanitize=${FENLU_SANITIZE})
endif()
if(FENLU_FUZZ)
  target_compile_options(fenlu_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(FENLU_COVERAGE)
  target_compile_options(fenlu_flags INTERFACE --coverage)
  target_link_options(fenlu_flags INTERFACE --coverage)
endif()
