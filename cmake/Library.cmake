# fenlu_library(NAME [PURE] SOURCES ... [LINK ...])
#   A static library with our flags. PURE: it may call nothing but the allow-list of
#   tests/architecture/pure_symbols.txt, which the test `architecture.purity` proves with nm.
set_property(GLOBAL PROPERTY FENLU_PURE_LIBRARIES "")

function(fenlu_library name)
  cmake_parse_arguments(ARG "PURE" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE fenlu_flags PUBLIC ${ARG_LINK})
  if(ARG_PURE)
    set_property(GLOBAL APPEND PROPERTY FENLU_PURE_LIBRARIES ${name})
  else()
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  endif()
endfunction()
