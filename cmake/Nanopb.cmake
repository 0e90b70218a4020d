# fenlu_protos(NAME PROTOS ... IMPORTS ... HIDDEN ...)
#   NAME: a static library of the nanopb code of PROTOS and IMPORTS (files of libprotobuf-dev, found
#   under PROTOBUF_INCLUDE_DIR). Its headers enter as system headers and its code is compiled without
#   our warnings: it is not ours.
#   NAME_descriptors.c in the build folder: every file of PROTOS, IMPORTS and HIDDEN as the
#   reflection service gives it (scripts/codegen/descriptors.py); HIDDEN are described only, because
#   another file's code fits their messages.
find_path(PROTOBUF_INCLUDE_DIR google/protobuf/any.proto REQUIRED)

function(fenlu_protos name)
  cmake_parse_arguments(ARG "" "" "PROTOS;IMPORTS;HIDDEN" ${ARGN})
  set(root ${CMAKE_SOURCE_DIR}/api/proto)
  set(out ${CMAKE_BINARY_DIR}/generated)
  set(sources "")
  set(inputs "")
  foreach(proto ${ARG_PROTOS} ${ARG_HIDDEN})
    string(REGEX REPLACE "\\.proto$" ".options" options ${proto})
    list(APPEND inputs ${root}/${proto} ${root}/${options})
  endforeach()
  foreach(proto ${ARG_PROTOS} ${ARG_IMPORTS})
    string(REGEX REPLACE "\\.proto$" ".pb.c" source ${proto})
    list(APPEND sources ${out}/${source})
  endforeach()

  file(MAKE_DIRECTORY ${out})
  set(includes -I ${root} -I ${PROTOBUF_INCLUDE_DIR})
  add_custom_command(
    OUTPUT ${sources}
    COMMAND ${PROTOC} ${includes} --plugin=protoc-gen-nanopb=${PROTOC_GEN_NANOPB}
            --nanopb_out=-I${root}:${out} ${ARG_PROTOS} ${ARG_IMPORTS}
    DEPENDS ${inputs}
    VERBATIM)
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} SYSTEM PUBLIC ${out} ${NANOPB_INCLUDE_DIR})
  target_compile_options(${name} PRIVATE -w)
  if(FENLU_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${FENLU_SANITIZE})
  endif()
  target_link_libraries(${name} PUBLIC ${NANOPB_LIBRARY})

  set(script ${CMAKE_SOURCE_DIR}/scripts/codegen/descriptors.py)
  add_custom_command(
    OUTPUT ${out}/${name}_descriptors.c
    COMMAND ${PROTOC} ${includes} --include_imports
            --descriptor_set_out=${out}/${name}.descriptors ${ARG_PROTOS} ${ARG_HIDDEN}
    COMMAND ${DEBIAN_PYTHON} ${script} ${out}/${name}.descriptors ${out}/${name}_descriptors.c
    DEPENDS ${inputs} ${script}
    VERBATIM)
endfunction()
