#include "core/validate.h"

namespace gradops {

std::string CheckImageSize(const char* argument, int64_t height, int64_t width, BorderId border) {
  const int64_t minimum = math::MinimumSize(border);
  const bool height_ok = height < 0 || height >= minimum;
  const bool width_ok = width < 0 || width >= minimum;
  if (height_ok && width_ok) return "";
  std::string name;
  for (const OptionNames& row : AllOptions()) {
    if (row.option == "border") name = row.names[static_cast<size_t>(border)];
  }
  const auto shown = [](int64_t size) { return size < 0 ? "unknown" : std::to_string(size); };
  return std::string(argument) + " is too small: border '" + name +
         "' needs height and width of at least " + std::to_string(minimum) + ", got height " +
         shown(height) + " and width " + shown(width);
}

}  // namespace gradops
