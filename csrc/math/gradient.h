#pragma once

#include "math/scalar.h"

namespace gradops::math {

/// The stencil's two derivatives at a pixel: down the rows (y) and along the columns (x).
template <class V>
struct Gradient {
  V y, x;
};

template <class V>
GRADOPS_FN Gradient<V> operator*(V factor, Gradient<V> g) {
  return {factor * g.y, factor * g.x};
}
template <class V>
GRADOPS_FN Gradient<V> operator+(Gradient<V> a, Gradient<V> b) {
  return {a.y + b.y, a.x + b.x};
}
template <class V>
GRADOPS_FN Gradient<V> operator-(Gradient<V> a, Gradient<V> b) {
  return {a.y - b.y, a.x - b.x};
}
template <class V>
GRADOPS_FN V Dot(Gradient<V> a, Gradient<V> b) {
  return a.y * b.y + a.x * b.x;
}
template <class V>
GRADOPS_FN Gradient<V> Signs(Gradient<V> g) {
  return {Sign(g.y), Sign(g.x)};
}

}  // namespace gradops::math
