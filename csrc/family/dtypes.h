#pragma once

#include <iterator>
#include <string>

#include "math/dtype.h"

// The table of image dtypes. CONTRIBUTING.md says how to add one.

// ROW(enumerator, type, "NumPy's name"), one list for each type that images are computed in.
#define GRADOPS_DTYPES_IN_float(ROW)                    \
  ROW(kFloat16, ::gradops::math::Half, "float16")       \
  ROW(kBFloat16, ::gradops::math::BFloat16, "bfloat16") \
  ROW(kFloat32, float, "float32")
#define GRADOPS_DTYPES_IN_double(ROW) ROW(kFloat64, double, "float64")
#define GRADOPS_DTYPES(ROW) GRADOPS_DTYPES_IN_float(ROW) GRADOPS_DTYPES_IN_double(ROW)

namespace gradops {

#define GRADOPS_ENUMERATOR(enumerator, ...) enumerator,
enum class Dtype { GRADOPS_DTYPES(GRADOPS_ENUMERATOR) };
#undef GRADOPS_ENUMERATOR

template <class S>
using ComputeType = typename math::ComputeTypeOf<S>::Type;

/// A type as a value: typename decltype(tag)::Type.
template <class T>
struct TypeTag {
  using Type = T;
};

/// Calls visitor(TypeTag<S>()) with the type S of images of this dtype.
template <class Visitor>
auto VisitDtype(Dtype dtype, Visitor&& visitor) {
#define GRADOPS_CASE(enumerator, S, name) \
  case Dtype::enumerator:                 \
    return visitor(TypeTag<S>());
  switch (dtype) { GRADOPS_DTYPES(GRADOPS_CASE) }
#undef GRADOPS_CASE
  __builtin_unreachable();
}

#define GRADOPS_NAME(enumerator, S, name) name,
/// NumPy's names, in the order of the table.
inline constexpr const char* kDtypeNames[] = {GRADOPS_DTYPES(GRADOPS_NAME)};
#undef GRADOPS_NAME

inline const char* NameOf(Dtype dtype) { return kDtypeNames[static_cast<size_t>(dtype)]; }

/// The names of all dtypes, with commas between them.
inline std::string DtypeNames() {
  std::string names;
  for (const char* name : kDtypeNames) names += std::string(names.empty() ? "" : ", ") + name;
  return names;
}

/// The name of the unsigned integers that are as large as the elements of images of this dtype.
inline std::string BitsNameOf(Dtype dtype) {
  return VisitDtype(dtype, [](auto tag) {
    return "uint" + std::to_string(8 * sizeof(typename decltype(tag)::Type));
  });
}

/// The name of the dtype of losses, upstream gradients and weights.
inline const char* ComputeNameOf(Dtype dtype) {
  return VisitDtype(dtype, [](auto tag) {
    return sizeof(ComputeType<typename decltype(tag)::Type>) == sizeof(double) ? "float64"
                                                                               : "float32";
  });
}

/// Sets `dtype` by NumPy's name; false if there is none of that name.
inline bool FindDtype(const std::string& name, Dtype* dtype) {
  for (size_t i = 0; i < std::size(kDtypeNames); ++i) {
    if (name == kDtypeNames[i]) return *dtype = static_cast<Dtype>(i), true;
  }
  return false;
}

}  // namespace gradops
