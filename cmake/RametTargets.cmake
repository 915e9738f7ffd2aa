# One function per kind of target, so that every folder's CMakeLists.txt stays a few lines.
add_library(ramet_flags INTERFACE)
target_include_directories(ramet_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(ramet_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                       -Wno-sign-conversion -fno-omit-frame-pointer)
if(RAMET_WERROR)
  target_compile_options(ramet_flags INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(ramet_flags INTERFACE -Wno-gnu-zero-variadic-macro-arguments)
else()
  # g++ 12 reports these inside libstdc++'s own inlined code at -O2 and above.
  target_compile_options(ramet_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized
                         -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds
                         -Wno-dangling-pointer)
endif()
if(RAMET_SANITIZE)
  add_compile_options(-fsanitize=${RAMET_SANITIZE} -fno-sanitize-recover=all)
  # Its data in front of each function is in the way of coroutines, which are several.
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    add_compile_options(-fno-sanitize=function)
  endif()
  add_link_options(-fsanitize=${RAMET_SANITIZE})
endif()
if(RAMET_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "libFuzzer is part of clang: use the preset fuzz")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# ramet_library(NAME DEPS...): a static library of every .cc in the current folder.
function(ramet_library name)
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ramet_flags ${ARGN})
  else()
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC ramet_flags ${ARGN})
  endif()
endfunction()

# ramet_test(NAME [SHARDS N] DEPS...): one GoogleTest program of every *_test.cc in the current
# folder, one ctest entry, or N that share its tests and are begun first. Their label says when they
# run: the folder's name for tests/sim, tests/slow and tests/interop, else "fast".
function(ramet_test name)
  file(GLOB sources CONFIGURE_DEPENDS *_test.cc)
  if(NOT sources)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SHARDS" "")
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ramet_flags ${arg_UNPARSED_ARGUMENTS} rapidcheck
                        GTest::gmock GTest::gtest GTest::gtest_main)
  target_precompile_headers(${name} PRIVATE <gtest/gtest.h> <string> <vector> <map>)
  get_filename_component(label ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  if(NOT label MATCHES "^(sim|slow|interop)$")
    set(label fast)
  endif()
  if(NOT arg_SHARDS)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS ${label})
    return()
  endif()
  math(EXPR last "${arg_SHARDS} - 1")
  foreach(shard RANGE ${last})
    add_test(NAME ${name}_${shard} COMMAND ${name})
    set_tests_properties(${name}_${shard} PROPERTIES LABELS ${label} COST 100
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${arg_SHARDS};GTEST_SHARD_INDEX=${shard}")
  endforeach()
endfunction()

# ramet_bench(NAME DEPS...): one Google Benchmark program of NAME.cc in the current folder.
function(ramet_bench name)
  add_executable(${name} ${name}.cc)
  target_link_libraries(${name} PRIVATE ramet_flags ${ARGN} benchmark::benchmark
                        benchmark::benchmark_main)
endfunction()

# ramet_fuzz(DEPS...): one libFuzzer program of each *_fuzz.cc in the current folder, and the target
# ramet_fuzzers of all of them; nothing without RAMET_FUZZ.
function(ramet_fuzz)
  if(NOT RAMET_FUZZ)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS *_fuzz.cc)
  add_custom_target(ramet_fuzzers)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    add_dependencies(ramet_fuzzers ${name})
    target_compile_definitions(${name} PRIVATE RAMET_LIBFUZZER)
    target_link_libraries(${name} PRIVATE ramet_flags ${ARGN})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endforeach()
endfunction()

# ramet_headers_alone(): compiles each header of format/, io/, engine/ and tools/ as a program of
# its own, so that none leans on what was included before it.
function(ramet_headers_alone)
  if(NOT RAMET_HEADERS_ALONE)
    return()
  endif()
  file(GLOB_RECURSE headers RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS
       ${CMAKE_SOURCE_DIR}/format/*.h ${CMAKE_SOURCE_DIR}/io/*.h ${CMAKE_SOURCE_DIR}/engine/*.h
       ${CMAKE_SOURCE_DIR}/tools/*.h)
  set(sources)
  foreach(header ${headers})
    set(source ${CMAKE_BINARY_DIR}/headers_alone/${header}.cc)
    if(NOT EXISTS ${source})
      file(WRITE ${source} "#include \"${header}\"\n#include \"${header}\"\n")
    endif()
    list(APPEND sources ${source})
  endforeach()
  add_library(ramet_headers_alone OBJECT ${sources})
  target_link_libraries(ramet_headers_alone PRIVATE ramet_engine)
  target_compile_options(ramet_headers_alone PRIVATE -O0 -g0)
endfunction()

# ramet_flatbuffers(TARGET SCHEMAS...): generates NAME_generated.h for each schema into
# <build>/generated/format/ and lets the target, and whoever links it, include
# "format/NAME_generated.h". Schemas may include each other: all are made anew when one changes.
function(ramet_flatbuffers target)
  set(outputs)
  foreach(schema ${ARGN})
    get_filename_component(base ${schema} NAME_WE)
    set(output ${CMAKE_BINARY_DIR}/generated/format/${base}_generated.h)
    add_custom_command(OUTPUT ${output}
      COMMAND ${FLATC} --cpp --scoped-enums --no-prefix -I ${CMAKE_CURRENT_SOURCE_DIR}
              -o ${CMAKE_BINARY_DIR}/generated/format ${CMAKE_CURRENT_SOURCE_DIR}/${schema}
      DEPENDS ${ARGN} ${FLATC} COMMENT "flatc ${schema}" VERBATIM)
    list(APPEND outputs ${output})
  endforeach()
  add_custom_target(${target}_schemas DEPENDS ${outputs})
  add_dependencies(${target} ${target}_schemas)
  target_include_directories(${target} SYSTEM PUBLIC ${CMAKE_BINARY_DIR}/generated
                             ${FLATBUFFERS_INCLUDE})
endfunction()
