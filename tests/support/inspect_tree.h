// What an Inspector tells, as a tree to look things up in.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/inspect.h"

namespace ramet::test {

struct Told {
  InspectValue value;
  InspectPart part = InspectPart::kObject;
  std::string name;          // as a field of an object; empty in lists and tables
  std::vector<Told> fields;  // of an object, or what a list or table holds

  bool has(std::string_view field) const {
    for (const Told& told : fields) {
      if (told.name == field) return true;
    }
    return false;
  }
  const Told& operator[](std::string_view field) const {
    for (const Told& told : fields) {
      if (told.name == field) return told;
    }
    ADD_FAILURE() << "nothing is told of " << field;
    static const Told none;
    return none;
  }
  const Told& at(size_t i) const { return fields.at(i); }
  size_t size() const { return fields.size(); }

  bool is_nothing() const { return std::holds_alternative<std::monostate>(value); }
  uint64_t number() const {
    if (const auto* plain = std::get_if<uint64_t>(&value)) return *plain;
    if (const auto* size = std::get_if<InspectSize>(&value)) return size->bytes;
    if (const auto* check = std::get_if<InspectCheck>(&value)) return check->value;
    ADD_FAILURE() << "no number";
    return 0;
  }
  bool yes() const { return std::get<bool>(value); }
  std::string text() const {
    if (const auto* words = std::get_if<std::string>(&value)) return *words;
    if (const auto* called = std::get_if<InspectName>(&value)) return called->bytes;
    return "-";
  }
  BlockRef ref() const {
    const auto* ref = std::get_if<BlockRef>(&value);
    return ref == nullptr ? BlockRef{} : *ref;
  }
};

class InspectTreeOutput : public InspectOutput {
 public:
  void value(std::string_view name, const InspectValue& value) override {
    Told told;
    told.value = value;
    add(name, std::move(told));
  }
  void begin(std::string_view name, InspectPart part) override {
    Told told;
    told.part = part;
    add(name, std::move(told));
    path_.push_back(open().size() - 1);
  }
  void end() override {
    ASSERT_FALSE(path_.empty()) << "more ends than begins";
    path_.pop_back();
    // Rows of a table have the same fields, all of them plain.
    const Told& part = last();
    if (part.part != InspectPart::kTable) return;
    const Told& row = part.fields.back();
    const Told& first = part.fields.front();
    ASSERT_EQ(row.size(), first.size());
    for (size_t i = 0; i < row.size(); ++i) {
      ASSERT_EQ(row.at(i).name, first.at(i).name);
      ASSERT_TRUE(row.at(i).fields.empty());
    }
  }
  bool is_balanced() const { return path_.empty(); }
  const Told& told() const { return root_; }

 private:
  Told& last() {
    Told* at = &root_;
    for (const size_t i : path_) at = &at->fields[i];
    return *at;
  }
  std::vector<Told>& open() { return last().fields; }
  void add(std::string_view name, Told told) {
    Told& part = last();
    EXPECT_EQ(name.empty(), part.part != InspectPart::kObject) << name;
    EXPECT_TRUE(name.empty() || !part.has(name)) << name << " is told twice";
    told.name = name;
    part.fields.push_back(std::move(told));
  }
  Told root_;
  std::vector<size_t> path_;
};

}  // namespace ramet::test
