# Adapters: the op library, compiled for one minor version of TensorFlow each.
#
#   GRADOPS_TF_PACKAGES       folders of TensorFlow packages to compile for, each in a folder named by its
#                             version: build/tensorflow/2.18.1/tensorflow. Empty: the one that
#                             Python_EXECUTABLE imports.
#   gradops_add_adapters()    a target gradops_ops_2_18 for each; gradops_ops is all of them
#
# Nothing is cached: an isolated build gets a TensorFlow in another folder every time.

set(GRADOPS_TF_PACKAGES "" CACHE STRING "Folders of TensorFlow packages to compile adapters for")

# Sets <prefix>_{version,include,framework,cc,flags} for the TensorFlow that Python imports.
function(_gradops_find_tensorflow prefix)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env TF_CPP_MIN_LOG_LEVEL=3 "${Python_EXECUTABLE}"
            "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/tensorflow_config.py"
    OUTPUT_VARIABLE config OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_VARIABLE error RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR
      "gradops: TensorFlow cannot be imported by ${Python_EXECUTABLE}. Install it "
      "(pip install tensorflow-cpu) or build without it (GRADOPS_TF=OFF).\n${error}")
  endif()
  foreach(name IN ITEMS version include framework cc)
    list(POP_FRONT config value)
    set(${prefix}_${name} "${value}" PARENT_SCOPE)
  endforeach()
  set(${prefix}_flags "${config}" PARENT_SCOPE)
endfunction()

# gradops_add_adapter(<version> <include folder> <framework library> <cc library> <flags>...)
function(gradops_add_adapter version include framework cc)
  if(NOT version MATCHES "^([0-9]+)\\.([0-9]+)\\." OR version VERSION_LESS 2.16)
    message(FATAL_ERROR "gradops: TensorFlow must be 2.16 or later, got '${version}'")
  endif()
  message(STATUS "Adapter for TensorFlow ${version}: ${include}")
  if(NOT IS_DIRECTORY "${include}")
    # A package may have been stripped of them. The target _kernels needs none.
    message(WARNING "gradops: this TensorFlow has no headers, so its adapter cannot be built")
  endif()
  math(EXPR number "1000 * ${CMAKE_MATCH_1} + ${CMAKE_MATCH_2}")
  set(target "gradops_ops_${CMAKE_MATCH_1}_${CMAKE_MATCH_2}")
  file(GLOB sources CONFIGURE_DEPENDS csrc/bindings/tf/*.cc)
  if(GRADOPS_XLA)
    file(GLOB xla_sources CONFIGURE_DEPENDS csrc/bindings/xla/*.cc)
  endif()
  add_library(${target} MODULE ${sources} ${xla_sources})
  target_link_libraries(${target} PRIVATE gradops_kernels "${framework}" "${cc}")
  target_include_directories(${target} SYSTEM PRIVATE "${include}"
    "${include}/external/highwayhash" "${include}/external/farmhash_archive/src")
  target_compile_options(${target} PRIVATE ${ARGN} "-ffile-prefix-map=${include}=tensorflow/include")
  target_compile_definitions(${target} PRIVATE NDEBUG
    GRADOPS_TENSORFLOW=${number} GRADOPS_TF_BUILD_VERSION="${version}")
  if(APPLE)
    target_link_options(${target} PRIVATE -undefined dynamic_lookup)
  endif()
  set_target_properties(${target} PROPERTIES PREFIX "lib" SUFFIX ".so")
  gradops_package(${target})
  add_dependencies(gradops_ops ${target})
endfunction()

function(gradops_add_adapters)
  add_custom_target(gradops_ops)
  if(NOT GRADOPS_TF_PACKAGES)
    _gradops_find_tensorflow(tf)
    gradops_add_adapter("${tf_version}" "${tf_include}" "${tf_framework}" "${tf_cc}" ${tf_flags})
  endif()
  foreach(package IN LISTS GRADOPS_TF_PACKAGES)
    cmake_path(GET package PARENT_PATH folder)
    cmake_path(GET folder FILENAME version)
    # As those of tf.sysconfig.get_compile_flags() for the packages of all versions.
    gradops_add_adapter("${version}" "${package}/include" "${package}/libtensorflow_framework.so.2"
      "${package}/libtensorflow_cc.so.2" -D_GLIBCXX_USE_CXX11_ABI=1 -DEIGEN_MAX_ALIGN_BYTES=64)
  endforeach()
endfunction()
