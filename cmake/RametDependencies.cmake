# Everything comes from Debian packages (tools/install-deps installs them).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(tomlplusplus REQUIRED)
find_path(BOOST_INCLUDE boost/asio/awaitable.hpp REQUIRED)
add_library(ramet_boost INTERFACE)  # Asio and Beast, headers alone
target_include_directories(ramet_boost SYSTEM INTERFACE ${BOOST_INCLUDE})
target_compile_definitions(ramet_boost INTERFACE BOOST_ASIO_NO_DEPRECATED
                           BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_link_libraries(ramet_boost INTERFACE Threads::Threads)
# g++ 12 takes the frames of Asio's coroutines for such, where it inlines half of the pair.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(ramet_boost INTERFACE -Wno-mismatched-new-delete)
endif()
# Sanitizers bring an allocator of their own.
if(NOT RAMET_SANITIZE)
  find_library(MIMALLOC_LIBRARY mimalloc REQUIRED)
endif()
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(PUGIXML REQUIRED IMPORTED_TARGET pugixml)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
find_path(XXHASH_INCLUDE xxhash.h REQUIRED)
# On x86-64 Debian's libxxhash chooses the vectors when it runs; its header is compiled for any.
find_library(XXHASH_LIBRARY xxhash)
if(XXHASH_LIBRARY)
  include(CheckSymbolExists)
  set(CMAKE_REQUIRED_LIBRARIES ${XXHASH_LIBRARY})
  check_symbol_exists(XXH3_64bits_withSeed_dispatch xxh_x86dispatch.h RAMET_XXHASH_DISPATCH)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()
find_path(FLATBUFFERS_INCLUDE flatbuffers/flatbuffers.h REQUIRED)
find_program(FLATC flatc REQUIRED)

# BLAKE3: the official C sources from librust-blake3-dev on Debian 12, the library libblake3-dev
# on newer systems, whichever is there.
find_path(BLAKE3_INCLUDE blake3.h)
find_library(BLAKE3_LIBRARY blake3)
if(BLAKE3_INCLUDE AND BLAKE3_LIBRARY)
  add_library(blake3 INTERFACE)
  target_include_directories(blake3 SYSTEM INTERFACE ${BLAKE3_INCLUDE})
  target_link_libraries(blake3 INTERFACE ${BLAKE3_LIBRARY})
else()
  file(GLOB BLAKE3_C_DIRS /usr/share/cargo/registry/blake3-*/c)
  list(SORT BLAKE3_C_DIRS)
  list(POP_BACK BLAKE3_C_DIRS BLAKE3_C_DIR)
  if(NOT BLAKE3_C_DIR)
    message(FATAL_ERROR "BLAKE3 not found (librust-blake3-dev or libblake3-dev): "
            "run tools/install-deps")
  endif()
  set(BLAKE3_SOURCES ${BLAKE3_C_DIR}/blake3.c ${BLAKE3_C_DIR}/blake3_dispatch.c
      ${BLAKE3_C_DIR}/blake3_portable.c)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND BLAKE3_SOURCES ${BLAKE3_C_DIR}/blake3_sse2_x86-64_unix.S
         ${BLAKE3_C_DIR}/blake3_sse41_x86-64_unix.S ${BLAKE3_C_DIR}/blake3_avx2_x86-64_unix.S
         ${BLAKE3_C_DIR}/blake3_avx512_x86-64_unix.S)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    list(APPEND BLAKE3_SOURCES ${BLAKE3_C_DIR}/blake3_neon.c)
  endif()
  add_library(blake3 STATIC ${BLAKE3_SOURCES})
  target_include_directories(blake3 SYSTEM PUBLIC ${BLAKE3_C_DIR})
  set(RAMET_BLAKE3_INTERNAL ON)  # its parts can be called too (format/hash_many.cc)
endif()
