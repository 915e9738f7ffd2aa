// Goal: a clone of a container of records reads as if each record had been copied with a new id and
// every reference to what came along rewritten, whatever was selected, at any depth of clones, and
// writing to one side never shows on the other. Method: single promises by example; random
// histories (rapidcheck) beside an eager reference implementation that copies every record, with a
// power cut in the middle, and fsck agrees.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/fsck.h"
#include "engine/store.h"
#include "io/env_sim.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

using test::code_of;

using Key = std::pair<TypeNumber, ObjectId>;

// A record as a test sees it: its document is
//   {"id":"<id>","version":"<version>","tag":"<tag>","refs":["<type>/<id>",...]<pad>}
struct Sample {
  std::string tag;  // the same in all clones, for ever
  std::vector<Key> refs;
  size_t pad = 0;        // bytes that make it long
  std::string content;   // of files
};

struct Document {
  std::string text;
  std::vector<RecordLink> links;
};

Document document_of(const Sample& sample, const Key& own, const ObjectId& version) {
  Document out;
  const auto id = [&](const ObjectId& one, RecordLinkKind kind, TypeNumber type) {
    out.links.push_back({static_cast<uint32_t>(out.text.size()), kind, type});
    out.text += to_uuid(one);
  };
  out.text = "{\"id\":\"";
  id(own.second, RecordLinkKind::kRecord, own.first);
  out.text += "\",\"version\":\"";
  id(version, RecordLinkKind::kVersion, 0);
  out.text += "\",\"tag\":\"" + sample.tag + "\",\"refs\":[";
  for (const Key& ref : sample.refs) {
    if (out.text.back() == '"') out.text += ",";
    out.text += "\"" + std::to_string(ref.first) + "/";
    id(ref.second, RecordLinkKind::kRecord, ref.first);
    out.text += "\"";
  }
  out.text += "]" + std::string(sample.pad, ' ') + "}";
  return out;
}

// The eager reference: every record by itself.
using Records = std::map<Key, Sample>;

struct Place {
  ContainerId id;
  Records records;
  std::map<Key, Sample> dead;  // that died here
};

struct Selection {
  std::vector<TypeNumber> types, without_types;
  std::vector<ObjectId> ids, without_ids;
};

template <typename T>
bool has(const std::vector<T>& list, const T& one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

// Which records come along, by what engine/clone.h says.
std::set<Key> selected(const Place& place, const Selection& selection) {
  const Key self{2, ObjectId{place.id.bytes}};
  const auto is_wanted = [&](TypeNumber type) {
    return (selection.types.empty() || has(selection.types, type)) &&
           !has(selection.without_types, type);
  };
  std::set<Key> out;
  const auto is_out = [&](const Key& key) {
    return key != self && has(selection.without_ids, key.second);
  };
  const bool selects = !selection.types.empty() || !selection.ids.empty();
  std::set<Key> referred_by_left_out;
  for (const auto& [key, sample] : place.records) {
    if (key == self) {
      out.insert(key);
      continue;
    }
    const bool listed = selection.ids.empty() ? !selects || key.first != kFileType
                                              : has(selection.ids, key.second);
    const bool of_type = is_wanted(key.first) || (key.first == kFileType &&
                                                  !selection.ids.empty());
    if (!is_out(key) && listed && of_type) {
      out.insert(key);
      continue;
    }
    if (key.first == kFileType && !is_out(key)) continue;
    for (const Key& ref : sample.refs) {
      if (ref.first == kFileType && ref != key) referred_by_left_out.insert(ref);
    }
  }
  const auto refers = [&](const Key& from, const Key& to) {
    const auto& refs = place.records.at(from).refs;
    return from != to && has(refs, to);
  };
  std::set<Key> with_files = out;
  for (const auto& one : place.records) {  // (clang 14 captures no structured bindings)
    const Key& key = one.first;
    if (key.first != kFileType || is_out(key)) continue;
    const bool is_needed = std::any_of(out.begin(), out.end(), [&](const Key& from) {
      // (Selected types bring along what they refer to, not what that refers to.)
      return refers(from, key);
    });
    if (selects && is_needed) with_files.insert(key);
    if (!selects && !is_needed && referred_by_left_out.contains(key)) with_files.erase(key);
  }
  return with_files;
}

class Machine {
 public:
  Machine() {
    RAMET_CHECK(Store::create("/store", options()).ok(), "create");
    open();
    for (const char* name : {"self", "a", "b"}) RAMET_CHECK(store_->intern_type(name).ok(), "type");
  }
  StoreOptions options() const {
    StoreOptions options;
    options.env = env_;
    options.background = false;
    options.ballast_bytes = 1 << 20;
    options.transaction_bytes_max = spill_bytes_;
    return options;
  }
  void open() {
    auto opened = Store::open("/store", options());
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store_ = std::move(*opened);
  }
  void cut() {
    env_->power_cut(io::CutPolicy::kLoseAll);
    store_.reset();
    env_->restart();
    open();
  }
  std::vector<std::string> findings() {
    RAMET_CHECK(store_->close().ok(), "close");
    store_.reset();
    FsckOptions check;
    check.env = env_;
    check.data = true;
    std::vector<std::string> found;
    const auto report = fsck("/store", check, [&](const Finding& finding) {
      if (finding.kind->severity == Severity::kHint) return;
      found.push_back(std::string(finding.kind->code) + ": " + finding.message);
    });
    if (!report.ok()) found.push_back(report.error().to_string());
    open();
    return found;
  }

  // A container with its self record.
  Place create(const std::string& name) {
    Place place;
    place.id = store_->create_container(name, {}, {}, 0, ContainerForm::kRecords)->id;
    write(place, {2, ObjectId{place.id.bytes}}, {"self of " + name, {}, 0, {}});
    return place;
  }
  std::unique_ptr<Transaction> begin(const Place& place) {
    return std::move(*store_->begin(place.id));
  }
  std::shared_ptr<const View> view(const Place& place) {
    return std::move(*store_->view(place.id));
  }

  static Status put(Transaction& transaction, const Key& key, const Sample& sample) {
    RecordPut put;
    put.type = key.first;
    put.id = key.second;
    put.version = transaction.new_record_id();
    Document document = document_of(sample, key, put.version);
    put.document = std::move(document.text);
    put.links = std::move(document.links);
    put.fields.push_back({"tag", sample.tag, {}});
    for (uint32_t i = 2; i < put.links.size(); ++i) put.fields.push_back({"ref", {}, i});
    std::unique_ptr<ContentWriter> content;
    if (key.first == kFileType) {
      RAMET_ASSIGN(content, transaction.write_content());
      RAMET_TRY(content->append(sample.content));
    }
    return transaction.write_record(put, std::move(content));
  }
  void write(Place& place, const Key& key, const Sample& sample) {
    auto transaction = begin(place);
    const Status status = put(*transaction, key, sample);
    RAMET_CHECK(status.ok(), "write_record");
    RAMET_CHECK(transaction->commit().ok(), "commit");
    place.records[key] = sample;
    place.dead.erase(key);
  }
  Key add(Place& place, TypeNumber type, const Sample& sample) {
    auto transaction = begin(place);
    const Key key{type, transaction->new_record_id()};
    RAMET_CHECK(put(*transaction, key, sample).ok(), "write_record");
    RAMET_CHECK(transaction->commit().ok(), "commit");
    place.records[key] = sample;
    return key;
  }
  void remove(Place& place, const Key& key) {
    auto transaction = begin(place);
    RAMET_CHECK(transaction->remove_record(key.first, key.second,
                                           transaction->new_record_id()).ok(), "remove_record");
    RAMET_CHECK(transaction->commit().ok(), "commit");
    place.dead[key] = place.records.at(key);
    place.records.erase(key);
  }

  // What the store has, as samples; what does not fit is told.
  Records read(const Place& place, std::string* wrong) {
    Records out;
    const auto state = view(place);
    const Status listed = state->record_types([&](TypeNumber type, uint64_t count) {
      uint64_t seen = 0;
      const Status status = state->records(type, {}, [&](const RecordInfo& info) {
        ++seen;
        Sample sample = parse(info, wrong);
        if (type == kFileType) {
          sample.content.resize(info.size);
          const auto read = state->read(info.id, 0, sample.content);
          if (!read.ok() || *read != info.size) *wrong = "the content cannot be read";
        }
        const auto again = state->record(type, info.id);
        if (!again.ok() || again->document != info.document) *wrong = "it cannot be found";
        const auto version = state->record_version(type, info.id, info.version);
        if (!version.ok() || version->document != info.document) *wrong = "no such version";
        out[{type, info.id}] = std::move(sample);
        return true;
      });
      if (!status.ok()) *wrong = status.error().to_string();
      if (seen != count) *wrong = "it counts others than there are";
      return true;
    });
    if (!listed.ok()) *wrong = listed.error().to_string();
    check_index(*state, out, wrong);
    return out;
  }

  static Sample parse(const RecordInfo& info, std::string* wrong) {
    Sample sample;
    const std::string& text = info.document;
    const auto between = [&](const std::string& from, char to, size_t at = 0) {
      const size_t begin = text.find(from, at) + from.size();
      return text.substr(begin, text.find(to, begin) - begin);
    };
    if (between("{\"id\":\"", '"') != to_uuid(info.id)) *wrong = "another id: " + text;
    if (between("\"version\":\"", '"') != to_uuid(info.version)) *wrong = "another version";
    sample.tag = between("\"tag\":\"", '"');
    std::string refs = between("\"refs\":[", ']');
    while (!refs.empty()) {
      const size_t slash = refs.find('/');
      sample.refs.emplace_back(std::stoul(refs.substr(1, slash - 1)),
                               *parse_uuid<ObjectId>(refs.substr(slash + 1, kUuidTextBytes)));
      refs.erase(0, slash + 1 + kUuidTextBytes + 1);
      if (!refs.empty()) refs.erase(0, 1);
    }
    sample.pad = text.size() - text.rfind(']') - 2;
    return sample;
  }

  // By its tag and by what it refers to each record is found, and no other.
  static void check_index(const View& state, const Records& records, std::string* wrong) {
    std::set<Key> targets;
    std::set<TypeNumber> types;
    for (const auto& [key, sample] : records) {
      types.insert(key.first);
      targets.insert(sample.refs.begin(), sample.refs.end());
    }
    for (const TypeNumber type : types) {
      std::set<std::pair<std::string, ObjectId>> expected, found;
      for (const auto& [key, sample] : records) {
        if (key.first == type) expected.insert({sample.tag, key.second});
      }
      const auto by_tag = [&](ByteView value, const ObjectId& id) {
        found.insert({std::string(value), id});
        return true;
      };
      if (!state.find_records({type, "tag", {}, {}, {}, false}, by_tag).ok()) *wrong = "find";
      if (expected != found) *wrong = "other tags are found than there are";
      found.clear();
      if (!state.find_records({type, "tag", {}, {}, {}, true}, by_tag).ok()) *wrong = "find";
      if (expected != found) *wrong = "other tags are found backwards than there are";
      for (const Key& target : targets) {
        std::set<ObjectId> refer, are_found;
        for (const auto& [key, sample] : records) {
          if (key.first == type && has(sample.refs, target)) refer.insert(key.second);
        }
        RecordQuery query{type, "ref", {}, {}, RecordQuery::Target{target.first, target.second},
                          false};
        const Status status = state.find_records(query, [&](ByteView, const ObjectId& id) {
          are_found.insert(id);
          return true;
        });
        if (!status.ok()) *wrong = status.error().to_string();
        if (refer != are_found) *wrong = "others are found by what they refer to";
      }
    }
  }

  // The clone, and what it must be: ids are learned by the tags.
  Place clone(const Place& source, const std::string& name, const Selection& selection,
              std::string* wrong) {
    CloneSpec spec;
    spec.source = source.id;
    spec.new_container = name;
    spec.identity = CloneIdentity::kFresh;
    spec.types = selection.types;
    spec.without_types = selection.without_types;
    spec.ids = selection.ids;
    spec.without_ids = selection.without_ids;
    const auto cloned = store_->clone(spec);
    RAMET_CHECK(cloned.ok(), "clone");
    Place place;
    place.id = cloned->container;
    const Records read = this->read(place, wrong);
    std::map<std::string, Key> by_tag;
    for (const auto& [key, sample] : read) by_tag[sample.tag] = key;
    std::map<Key, Key> map;
    const std::set<Key> kept = selected(source, selection);
    for (const Key& key : kept) {
      const auto found = by_tag.find(source.records.at(key).tag);
      if (found == by_tag.end()) {
        *wrong = "left out: " + source.records.at(key).tag;
        continue;
      }
      map[key] = found->second;
      if (found->second.second == key.second) *wrong = "it has its old id";
    }
    for (const Key& key : kept) {
      if (!map.contains(key)) continue;
      Sample sample = source.records.at(key);
      for (Key& ref : sample.refs) {
        if (const auto to = map.find(ref); to != map.end()) ref = to->second;
      }
      place.records[map[key]] = std::move(sample);
    }
    if (!place.records.contains({2, ObjectId{place.id.bytes}})) *wrong = "no record stands for it";
    return place;
  }

  uint64_t spill_bytes_ = 16 << 20;
  std::shared_ptr<io::SimEnv> env_ = std::make_shared<io::SimEnv>(1);
  std::unique_ptr<Store> store_;
};

// --- random histories ----------------------------------------------------------------------------

class History {
 public:
  History() { places_.push_back(machine_.create("p0")); }

  void run() {
    const auto steps = *rc::gen::inRange(1, 40);
    for (int i = 0; i < steps; ++i) step();
    check_all();
    RC_ASSERT(machine_.findings() == std::vector<std::string>{});
    check_all();
  }

 private:
  Place& any_place() { return places_[*rc::gen::inRange<size_t>(0, places_.size())]; }
  static Key any_of(const std::map<Key, Sample>& records) {
    auto at = records.begin();
    std::advance(at, *rc::gen::inRange<size_t>(0, records.size()));
    return at->first;
  }
  ObjectId random_id() {
    std::array<uint8_t, 16> random{};
    for (auto& byte : random) byte = *rc::gen::arbitrary<uint8_t>();
    return make_id<ObjectId>(0x1234'0000'0000 + ++chosen_, random);
  }

  Sample sample(Place& place, TypeNumber type) {
    Sample out;
    out.tag = "t" + std::to_string(++tags_);
    const auto refs = *rc::gen::inRange(0, 4);
    for (int i = 0; i < refs; ++i) {
      const auto what = *rc::gen::inRange(0, 8);
      Key ref;
      if (what == 0 && !place.dead.empty()) {
        ref = any_of(place.dead);
      } else if (what == 1) {  // that there is not, or not yet
        ref = {static_cast<TypeNumber>(*rc::gen::inRange(3, 5)), random_id()};
        awaited_[place.id].push_back(ref);
      } else {
        ref = any_of(place.records);
      }
      if (!has(out.refs, ref)) out.refs.push_back(ref);
    }
    if (*rc::gen::inRange(0, 6) == 0) out.pad = *rc::gen::inRange<size_t>(3000, 9000);
    if (type == kFileType) out.content = std::string(*rc::gen::inRange<size_t>(0, 200), 'c');
    RC_LOG() << "  " << out.tag << " of type " << type << " refers to " << text_of(out.refs)
             << "\n";
    return out;
  }
  static std::string text_of(const std::vector<Key>& keys) {
    std::string out;
    for (const Key& key : keys) out += std::to_string(key.first) + "/" + to_uuid(key.second) + " ";
    return out;
  }

  Selection selection(const Place& place) {
    Selection out;
    const auto kind = *rc::gen::inRange(0, 7);
    const auto some_types = [&] {
      std::vector<TypeNumber> types;
      for (const TypeNumber type : {1u, 2u, 3u, 4u}) {
        if (*rc::gen::arbitrary<bool>()) types.push_back(type);
      }
      return types;
    };
    const auto some_ids = [&] {
      std::vector<ObjectId> ids;
      for (const auto& [key, sample] : place.records) {
        if (*rc::gen::inRange(0, 3) == 0) ids.push_back(key.second);
      }
      return ids;
    };
    if (kind == 1 || kind == 5) out.types = some_types();
    if (kind == 2 || kind == 6) out.without_types = some_types();
    if (kind == 3 || kind == 5) out.ids = some_ids();
    if (kind == 4 || kind == 6 || kind == 1) out.without_ids = some_ids();
    return out;
  }

  void step() {
    Place& place = any_place();
    const auto what = *rc::gen::inRange(0, 12);
    RC_LOG() << "step " << what << " in " << to_uuid(place.id) << "\n";
    switch (what) {
      case 0: case 1: case 2: {
        const auto type = static_cast<TypeNumber>(*rc::gen::element(1, 3, 4));
        machine_.add(place, type, sample(place, type));
        return;
      }
      case 3: {  // several at once that refer to each other, before they are there
        auto transaction = machine_.begin(place);
        std::vector<Key> keys;
        for (int i = 0; i < 3; ++i) keys.push_back({3, transaction->new_record_id()});
        for (int i = 0; i < 3; ++i) {
          Sample one{"t" + std::to_string(++tags_), {keys[(i + 1) % 3], keys[(i + 2) % 3]}, 0, {}};
          RC_ASSERT(Machine::put(*transaction, keys[i], one).ok());
          place.records[keys[i]] = one;
        }
        RC_ASSERT(transaction->commit().ok());
        return;
      }
      case 4: case 5: {
        const Key key = any_of(place.records);
        Sample changed = sample(place, key.first);
        changed.tag = place.records.at(key).tag;
        machine_.write(place, key, changed);
        return;
      }
      case 6: {
        const Key key = any_of(place.records);
        if (key.first != 2) machine_.remove(place, key);
        RC_LOG() << "  removes " << text_of({key}) << "\n";
        return;
      }
      case 7: {  // back from the dead
        if (place.dead.empty()) return;
        const Key key = any_of(place.dead);
        Sample back = place.dead.at(key);
        back.tag = "t" + std::to_string(++tags_);
        RC_LOG() << "  brings back " << text_of({key}) << "\n";
        machine_.write(place, key, back);
        return;
      }
      case 8: {  // what documents named before
        auto& awaited = awaited_[place.id];
        if (awaited.empty()) return;
        const Key key = awaited.back();
        awaited.pop_back();
        RC_LOG() << "  makes " << text_of({key}) << "\n";
        if (!place.records.contains(key)) machine_.write(place, key, sample(place, key.first));
        return;
      }
      case 9: case 10: {
        if (places_.size() == 8) return;
        std::string wrong;
        const auto at = static_cast<size_t>(&place - places_.data());
        const std::string name = "p" + std::to_string(places_.size());
        const Selection chosen = selection(place);
        RC_LOG() << "  " << chosen.types.size() << " types " << chosen.without_types.size()
                 << " without " << chosen.ids.size() << " ids " << chosen.without_ids.size()
                 << " without\n";
        Place made = machine_.clone(place, name, chosen, &wrong);
        RC_ASSERT(wrong == "");
        awaited_[made.id] = awaited_[places_[at].id];
        places_.push_back(std::move(made));
        check_all();
        return;
      }
      default:
        if (*rc::gen::arbitrary<bool>()) {
          machine_.cut();
        } else {
          RC_ASSERT(machine_.store_->checkpoint().ok());
        }
    }
  }

  void check_all() {
    for (const Place& place : places_) {
      std::string wrong;
      const Records read = machine_.read(place, &wrong);
      RC_ASSERT(wrong == "");
      RC_ASSERT(read.size() == place.records.size());
      for (const auto& [key, sample] : place.records) {
        const auto found = read.find(key);
        RC_ASSERT(found != read.end());
        RC_ASSERT(found->second.tag == sample.tag);
        RC_ASSERT(text_of(found->second.refs) == text_of(sample.refs));
        RC_ASSERT(found->second.pad == sample.pad);
        RC_ASSERT(found->second.content == sample.content);
      }
    }
  }

  Machine machine_;
  std::vector<Place> places_;
  std::map<ContainerId, std::vector<Key>> awaited_;
  int tags_ = 0;
  uint64_t chosen_ = 0;
};

RC_GTEST_PROP(RecordsProperty, AClonesReadAsAnEagerCopyWould, ()) {
  History history;
  history.run();
}

// --- single promises -----------------------------------------------------------------------------

TEST(Records, ACloneIsThereAsAWholeOrNotAtAllWhereverThePowerFails) {
  for (const auto policy : {io::CutPolicy::kLoseAll, io::CutPolicy::kKeepAll,
                            io::CutPolicy::kRandom}) {
    uint64_t operations = 1;
    for (uint64_t point = 0; point < operations; ++point) {
      Machine machine;
      Place source = machine.create("source");
      const Key file = machine.add(source, kFileType, {"file", {}, 0, "content"});
      const Key patient = machine.add(source, 3, {"patient", {file}, 9000, {}});
      machine.add(source, 4, {"other", {patient}, 0, {}});
      ASSERT_TRUE(machine.store_->checkpoint().ok());
      const uint64_t before = machine.env_->operations();
      machine.env_->cut_power_at(before + point, policy);
      CloneSpec spec;
      spec.source = source.id;
      spec.new_container = "clone";
      spec.identity = CloneIdentity::kFresh;
      spec.without_ids = {file.second};
      spec.edit = [&](Transaction& transaction) -> Status {
        return Machine::put(transaction, {4, transaction.new_record_id()}, {"new", {}, 6000, {}});
      };
      const auto cloned = machine.store_->clone(spec);
      const bool was_cut = !machine.env_->powered();
      if (was_cut) {
        machine.store_.reset();
        machine.env_->restart();
        machine.open();
      } else {
        operations = machine.env_->operations() - before + 1;
        machine.cut();
      }
      operations = std::max(operations, point + (was_cut ? 2 : 1));
      const auto there = machine.store_->container("clone");
      if (cloned.ok()) {
        ASSERT_TRUE(there.ok()) << "point " << point;
      }
      std::string wrong;
      EXPECT_EQ(machine.read(source, &wrong).size(), 4u) << wrong;
      if (!there.ok()) continue;
      Place clone;
      clone.id = there->id;
      const Records read = machine.read(clone, &wrong);
      EXPECT_EQ(wrong, "");
      EXPECT_EQ(read.size(), 4u) << "point " << point;  // all but the file, and the new one
      for (const auto& [key, sample] : read) {
        if (sample.tag != "patient") continue;
        EXPECT_EQ(sample.refs, (std::vector<Key>{file}));
      }
      if (point % 8 != 0) continue;
      EXPECT_EQ(machine.findings(), std::vector<std::string>{});
    }
    EXPECT_GT(operations, 3u);
  }
}

TEST(Records, WhatIsWrongIsRefusedAndNothingChanges) {
  Machine machine;
  Place place = machine.create("p");
  const Key key = machine.add(place, 3, {"a", {}, 0, {}});
  const auto refused = [&](const std::function<void(RecordPut&)>& change) {
    auto transaction = machine.begin(place);
    RecordPut put;
    put.type = 3;
    put.id = transaction->new_record_id();
    put.version = transaction->new_record_id();
    put.document = std::string(100, ' ');
    change(put);
    return code_of(transaction->write_record(put));
  };
  EXPECT_EQ(refused([](RecordPut&) {}), "ok");
  EXPECT_EQ(refused([](RecordPut& put) { put.type = 0; }), "invalid argument");
  EXPECT_EQ(refused([](RecordPut& put) { put.document.clear(); }), "invalid argument");
  EXPECT_EQ(refused([](RecordPut& put) { put.id = {}; }), "invalid argument");
  EXPECT_EQ(refused([](RecordPut& put) { put.links = {{70, RecordLinkKind::kRecord, 3}}; }),
            "invalid argument");
  EXPECT_EQ(refused([](RecordPut& put) { put.links = {{0, RecordLinkKind::kRecord, 3}}; }),
            "invalid argument");  // no UUID
  EXPECT_EQ(refused([](RecordPut& put) { put.optional_to = 101; }), "invalid argument");
  EXPECT_EQ(refused([](RecordPut& put) { put.fields = {{"@own", "x", {}}}; }),
            "invalid argument");
  EXPECT_EQ(refused([](RecordPut& put) { put.fields = {{"f", std::string(256, 'x'), {}}}; }),
            "invalid argument");
  EXPECT_EQ(refused([&](RecordPut& put) {
    put.version = put.id;
    put.id = key.second;
    put.version = key.second;
  }), "invalid argument");  // older than what is there
  auto transaction = machine.begin(place);
  EXPECT_EQ(code_of(transaction->remove_record(2, ObjectId{place.id.bytes},
                                               transaction->new_record_id())),
            "failed precondition");
  EXPECT_EQ(code_of(transaction->create_folders("/a")), "failed precondition");
  const auto files = machine.store_->create_container("files");
  EXPECT_EQ(code_of((*machine.store_->view(files->id))->record(3, key.second)),
            "failed precondition");
}

TEST(Records, TwoWhoNeverSawEachOtherStillLink) {
  Machine machine;
  Place place = machine.create("p");
  const Key awaited{3, *parse_uuid<ObjectId>("12345678-1234-4234-9234-123456789abc")};
  auto one = machine.begin(place);
  auto other = machine.begin(place);
  ASSERT_TRUE(Machine::put(*one, {4, one->new_record_id()}, {"names it", {awaited}, 0, {}}).ok());
  ASSERT_TRUE(Machine::put(*other, awaited, {"is it", {}, 0, {}}).ok());
  ASSERT_TRUE(one->commit().ok());
  // Who comes later begins again, and sees what the first said.
  EXPECT_EQ(code_of(other->commit()), "busy");
}

TEST(Records, HistoryStaysBehindAndSecretsToo) {
  Machine machine;
  Place place = machine.create("p");
  const Key key = machine.add(place, 3, {"a", {}, 0, {}});
  auto transaction = machine.begin(place);
  RecordPut put;
  put.type = 3;
  put.id = key.second;
  put.version = transaction->new_record_id();
  put.document = "second";
  put.secret = "secret";
  ASSERT_TRUE(transaction->write_record(put).ok());
  ASSERT_TRUE(transaction->commit().ok());
  const auto versions = [&](ContainerId id, ObjectId record) {
    size_t count = 0;
    EXPECT_TRUE((*machine.store_->view(id))->record_versions(3, record, [&](const RecordInfo&) {
      ++count;
      return true;
    }).ok());
    return count;
  };
  EXPECT_EQ(versions(place.id, key.second), 2u);
  EXPECT_EQ(*(*machine.store_->view(place.id))->record_secret(3, key.second), "secret");
  CloneSpec spec;
  spec.source = place.id;
  spec.new_container = "clone";
  spec.identity = CloneIdentity::kFresh;
  const auto cloned = machine.store_->clone(spec);
  ASSERT_TRUE(cloned.ok());
  const auto view = *machine.store_->view(cloned->container);
  ObjectId id;
  ASSERT_TRUE(view->records(3, {}, [&](const RecordInfo& info) {
    id = info.id;
    EXPECT_EQ(info.document, "second");
    return true;
  }).ok());
  EXPECT_EQ(versions(cloned->container, id), 1u);
  EXPECT_EQ(*view->record_secret(3, id), "");
  const auto holders = machine.store_->record_holders(3, id);
  ASSERT_TRUE(holders.ok());
  EXPECT_EQ(*holders, std::vector<ContainerId>{cloned->container});
  spec.identity = CloneIdentity::kKeep;
  spec.new_container = "other";
  EXPECT_EQ(code_of(machine.store_->clone(spec)), "unsupported");
}

}  // namespace
}  // namespace ramet
