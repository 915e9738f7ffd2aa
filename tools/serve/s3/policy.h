// Bucket policies: the JSON documents of S3 (AWS, "Policies and permissions in Amazon S3") that
// allow or deny principals actions on a bucket and its keys. Pure and thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/s3/errors.h"

namespace ramet::serve::s3 {

enum class Verdict : uint8_t { kNone, kAllow, kDeny };

struct PolicyQuestion {
  std::string_view principal;  // name
  std::string_view principal_id;
  std::string_view action;    // "s3:GetObject"
  std::string_view resource;  // "bucket" or "bucket/key"
  // The value of a condition's key ("aws:SourceIp"); nullopt: the request has none.
  std::function<std::optional<std::string>(std::string_view)> context;
};

class Policy {
 public:
  // MalformedPolicy says what is wrong, also where something of it could not be kept to: unknown
  // operators and keys of conditions, resources of other buckets.
  static Outcome<std::shared_ptr<const Policy>> parse(std::string_view json,
                                                      std::string_view bucket);
  Verdict evaluate(const PolicyQuestion& question) const;
  // Whether it allows something to everyone.
  bool is_public() const;

 private:
  struct Condition {
    std::string op;  // without IfExists
    bool if_exists = false;
    std::string key;
    std::vector<std::string> values;
  };
  struct Statement {
    bool allow = false;
    bool everyone = false;
    bool not_principals = false;
    std::vector<std::string> principals;
    bool not_actions = false;
    std::vector<std::string> actions;
    bool not_resources = false;
    std::vector<std::string> resources;  // behind "arn:aws:s3:::"
    std::vector<Condition> conditions;
  };
  static bool applies(const Statement& statement, const PolicyQuestion& question);
  static bool holds(const Condition& condition, const PolicyQuestion& question);
  friend struct PolicyParser;

  std::vector<Statement> statements_;
};

// '*' stands for any characters, '?' for one. Linear in the text for each '*'.
bool wildcard_match(std::string_view pattern, std::string_view text);

}  // namespace ramet::serve::s3
