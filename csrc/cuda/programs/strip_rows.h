#pragma once

#include "cuda/programs/strip_layout.h"
#include "cuda/programs/taps.h"

namespace gradops::cuda {

/// What each step of a strip does, which is the same for all threads of a block: step r takes row r
/// of the images and asks for row r + ahead, finds the residuals of row r - 1 and, if a gradient is
/// wanted, the gradient of row r - 3.
class StripRows {
 public:
  GRADOPS_FN StripRows(const StripLayout& layout, const StripBlock& block, bool has_gradient,
                       int ahead)
      : begin_(block.row_begin), end_(block.row_end), has_gradient_(has_gradient) {
    const bool wraps = layout.wraps_down;
    const int reach = has_gradient ? 1 : 0;
    residuals_begin_ = wraps ? begin_ - reach : math::Max(begin_ - reach, 0);
    residuals_end_ = wraps ? end_ + reach : math::Min(end_ + reach, layout.height);
    image_begin_ = wraps ? begin_ - reach - 1 : math::Max(begin_ - reach - 1, 0);
    image_end_ = wraps ? end_ + reach + 1 : math::Min(end_ + reach + 1, layout.height);
    inside_begin_ = wraps ? begin_ - 2 : kFirstInside;
    inside_end_ = wraps ? end_ + 2 : layout.height - kFirstInside;
    // In steady steps the rows that are taken and asked for are rows of the image, not ghosts.
    steady_begin_ = has_gradient ? math::Max(inside_begin_ + 2, begin_ + 3)
                                 : math::Max(inside_begin_, begin_) + 1;
    steady_end_ =
        math::Min(math::Min(image_end_, layout.height) - ahead, math::Min(end_, inside_end_) + 1);
  }

  GRADOPS_FN int FirstStep() const { return begin_ - (has_gradient_ ? 2 : 1); }
  GRADOPS_FN int EndStep() const { return end_ + (has_gradient_ ? 3 : 1); }

  GRADOPS_FN bool HasImage(int r) const { return r >= image_begin_ && r < image_end_; }
  GRADOPS_FN bool HasResiduals(int i) const { return i >= residuals_begin_ && i < residuals_end_; }
  /// Whether the strip writes the gradient of row i and adds its values.
  GRADOPS_FN bool IsOwn(int i) const { return i >= begin_ && i < end_; }
  /// Whether row i is away from the border, so that its taps down the rows are the stencil's own.
  GRADOPS_FN bool IsInside(int i) const { return i >= inside_begin_ && i < inside_end_; }
  /// Whether, in `steps` steps from r on, the conditions above hold for all rows that they touch,
  /// and none of the images' rows is a ghost.
  GRADOPS_FN bool AreSteady(int r, int steps) const {
    return r >= steady_begin_ && r + steps <= steady_end_;
  }

 private:
  static constexpr int kFirstInside = kEdges / 2;
  const int begin_, end_;
  const bool has_gradient_;
  int image_begin_, image_end_, residuals_begin_, residuals_end_;
  int inside_begin_, inside_end_, steady_begin_, steady_end_;
};

}  // namespace gradops::cuda
