#include "tools/serve/parse_json.h"

#include <string>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "format/utf8.h"

namespace ramet::serve {
namespace {

using Json = nlohmann::ordered_json;

// What is deeper could not be taken down again, which goes by recursion.
constexpr size_t kDepthMax = 64;
// Members of an object are found by looking at each: more would cost their square.
constexpr size_t kMembersMax = 2048;

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

// Looks at a document before anything is made of it.
class Checker : public nlohmann::json_sax<Json> {
 public:
  std::string wrong;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return enter(); }
  bool key(string_t& name) override {
    auto& names = open_.back();
    if (names.size() == kMembersMax) {
      return refuse(fmt::format("an object with more than {} members", kMembersMax));
    }
    if (names.insert(name).second) return true;
    return refuse("'" + name + "' stands twice in one object");
  }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool parse_error(size_t, const std::string&, const Json::exception& failure) override {
    return refuse(std::string("the body is not JSON: ") + failure.what());
  }

 private:
  bool refuse(std::string why) {
    wrong = std::move(why);
    return false;
  }
  bool enter() {
    if (open_.size() == kDepthMax) return refuse("the body nests too deeply");
    open_.emplace_back();
    return true;
  }
  bool leave() {
    open_.pop_back();
    return true;
  }
  std::vector<std::unordered_set<std::string>> open_;  // names so far; none in arrays
};

}  // namespace

Result<Json> parse_json(std::string_view text) {
  if (!is_utf8(text)) return invalid("the body is not UTF-8");
  Checker checker;
  if (!Json::sax_parse(text, &checker)) return invalid(checker.wrong);
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return invalid("the body is not JSON");
  return json;
}

}  // namespace ramet::serve
