// Running a search: which records may match, by the index where it helps, and which do.
#include "tools/serve/fhir/search.h"

#include <algorithm>
#include <map>
#include <set>

#include "tools/serve/fhir/links.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/values.h"

namespace ramet::serve::fhir {
namespace {

// Records that may match, in one order; each once.
class Candidates {
 public:
  Candidates(Types& types, const RecordView& records, const Search& search, TypeNumber type)
      : types_(types), records_(records), search_(search), type_(type) {}

  // By the index, or by ids. False: all of the type have to be looked at.
  Outcome<bool> collect() {
    if (search_.ids) {
      for (const ObjectId& id : *search_.ids) {
        RAMET_ASSIGN(const bool lives, records_.has_record(type_, id));
        if (lives) add(id);
      }
      return true;
    }
    for (const SearchFilter& filter : search_.filters) {
      RAMET_ASSIGN(const bool done, by_filter(filter));
      if (done) return true;
    }
    return false;
  }
  const std::vector<ObjectId>& ids() const { return ids_; }

 private:
  void add(const ObjectId& id) {
    if (seen_.insert(id).second) ids_.push_back(id);
  }
  Status find(const RecordQuery& query) {
    return records_.find_records(query, [&](ByteView, const ObjectId& id) {
      add(id);
      return true;
    });
  }
  static std::string behind(std::string prefix) {
    prefix += "\xFF\xFF\xFF\xFF";
    return prefix;
  }

  Outcome<bool> by_filter(const SearchFilter& filter) {
    const SearchParam& param = *filter.param;
    if (param.name == "_project" || param.name == "_compartment") return false;
    if (filter.modifier == "missing" || filter.modifier == "not" || filter.modifier == "text" ||
        filter.modifier == "contains") {
      return false;
    }
    RecordQuery query{type_, param.name, {}, {}, {}, false};
    for (const std::string& value : filter.values) {
      if (value.empty()) return false;
    }
    switch (param.kind) {
      case ParamKind::kString:
      case ParamKind::kUri:
        for (const std::string& value : filter.values) {
          query.from = cut_value(param.kind == ParamKind::kUri ? value : folded(value));
          query.to = behind(query.from);
          RAMET_TRY(find(query));
        }
        return true;
      case ParamKind::kToken:
        for (const std::string& value : filter.values) {
          const size_t bar = value.find('|');
          if (bar == std::string::npos) {
            query.from = token_value(value);
            query.to = query.from + '\0';
          } else if (bar + 1 == value.size()) {
            query.from = token_system_prefix(value.substr(0, bar));
            query.to = behind(query.from);
          } else {
            query.from = token_value(value.substr(0, bar), value.substr(bar + 1));
            query.to = query.from + '\0';
          }
          RAMET_TRY(find(query));
        }
        return true;
      case ParamKind::kReference: return by_reference(filter, query);
      default: return false;
    }
  }

  Outcome<bool> by_reference(const SearchFilter& filter, RecordQuery& query) {
    for (const std::string& value : filter.values) {
      const auto reference = parse_reference(value);
      std::vector<std::string> targets;
      ObjectId id;
      if (reference) {
        targets.emplace_back(reference->type);
        id = reference->id;
      } else if (const auto bare = parse_uuid<ObjectId>(value); bare.ok()) {
        id = *bare;
        if (!filter.modifier.empty()) {
          targets.push_back(filter.modifier);
        } else if (!filter.param->target.empty()) {
          targets.push_back(filter.param->target);
        } else {
          return false;  // of any type
        }
      } else {
        query.target.reset();
        query.from = cut_value("t" + value);
        query.to = query.from + '\0';
        RAMET_TRY(find(query));
        continue;
      }
      for (const std::string& target : targets) {
        RAMET_ASSIGN(const TypeNumber number, types_.number(target));
        query.target = RecordQuery::Target{number, id};
        RAMET_TRY(find(query));
      }
    }
    return true;
  }

  Types& types_;
  const RecordView& records_;
  const Search& search_;
  const TypeNumber type_;
  std::vector<ObjectId> ids_;
  std::set<ObjectId> seen_;
};

// What is hidden must not be told by what is found by it.
Outcome<void> check_parameters(const Login& login, const Search& search) {
  const auto check = [&](const SearchParam& param) -> Outcome<void> {
    for (const auto& path : param.paths) {
      if (!may_search_by(login, search.type, path.front())) return Fault(Issue::kForbidden);
    }
    return {};
  };
  for (const SearchFilter& filter : search.filters) RAMET_TRY(check(*filter.param));
  for (const Search::Sort& sort : search.sort) {
    if (sort.param != nullptr) RAMET_TRY(check(*sort.param));
  }
  return {};
}

bool has_conditions(const Search& search) {
  return !search.filters.empty() || !search.last_updated.empty();
}

std::string sort_value(const Search::Sort& sort, const Json& resource) {
  if (sort.by_id) return text_member(resource, "id");
  if (sort.param == nullptr) return meta_text(resource, "lastUpdated");
  std::string least;
  for (const Json* value : values_at(resource, *sort.param)) {
    std::vector<std::string> texts;
    switch (sort.param->kind) {
      case ParamKind::kToken:
        for (const Token& token : tokens_of(*value)) texts.push_back(token.code);
        break;
      case ParamKind::kReference: texts.push_back(reference_of(*value)); break;
      case ParamKind::kDate:
      case ParamKind::kPeriod:
        if (const auto span = span_of(*value)) texts.push_back(span->from);
        break;
      default:
        for (const std::string& text : strings_of(*value)) texts.push_back(folded(text));
    }
    for (std::string& text : texts) {
      if (least.empty() || text < least) least = std::move(text);
    }
  }
  return least;
}

// What is known of a match until the page is cut out of all of them.
struct Match {
  std::vector<std::string> keys;  // to sort by
  size_t place = 0;               // of the container
  ObjectId id;
};

class Run {
 public:
  Run(Call& call, const Search& search) : call_(call), search_(search) {}

  Outcome<SearchResult> run() {
    RAMET_TRY(check_interaction(call_.login, Interaction::kSearch, search_.type));
    RAMET_TRY(check_parameters(call_.login, search_));
    RAMET_ASSIGN(type_, call_.types().number(search_.type));
    RAMET_ASSIGN(places_, search_places(call_.shared, call_.login, search_.type, search_.project));
    sees_all_ = sees_all(call_.login, Interaction::kSearch, search_.type);
    counts_ = search_.count_only || search_.total != Total::kNone;
    for (const ContainerId& place : places_) {
      RAMET_ASSIGN(auto view, call_.store().view(place));
      views_.push_back(std::move(view));
    }
    if (counts_ && sees_all_ && !has_conditions(search_) && !search_.ids) {
      uint64_t total = 0;
      for (const auto& view : views_) {
        RAMET_ASSIGN(const uint64_t count, view->count_records(type_));
        total += count;
      }
      result_.total = total;
      counts_ = false;
      if (search_.count_only) return std::move(result_);
    }
    if (search_.sort.empty()) {
      RAMET_TRY(in_order());
    } else {
      RAMET_TRY(sorted());
    }
    if (counts_) result_.total = seen_;
    if (search_.count_only) result_.hits.clear();
    return std::move(result_);
  }

 private:
  bool is_full() const { return result_.hits.size() == search_.count; }
  // Nothing that follows matters.
  bool is_done() const { return result_.has_more && !counts_; }

  // Whether it is what was asked for, and may be seen; then *resource is what is seen of it.
  Outcome<bool> accepts(const RecordInfo& info, Json* resource) {
    if (sees_all_ && !has_conditions(search_)) return true;
    *resource = parse_document(info);
    RAMET_ASSIGN(const bool matched, matches(search_, *resource));
    if (!matched || sees_all_) return matched;
    auto allowed = check_read(call_.login, Interaction::kSearch, *resource, matches_parameter);
    if (allowed.ok()) return true;
    if (allowed.error().issue == Issue::kNotFound || allowed.error().issue == Issue::kForbidden) {
      return false;
    }
    return std::move(allowed).error();
  }

  // In the order of the containers, and of what is in them.
  Outcome<void> in_order() {
    bool behind_cursor = !search_.cursor;
    for (size_t i = 0; i < places_.size() && !is_done(); ++i) {
      const RecordView& records = *views_[i];
      Candidates candidates(call_.types(), records, search_, type_);
      RAMET_ASSIGN(const bool indexed, candidates.collect());
      if (indexed) {
        for (const ObjectId& id : candidates.ids()) {
          if (!behind_cursor) {
            behind_cursor = id == *search_.cursor;
            continue;
          }
          auto info = records.record(type_, id);
          if (!info.ok()) {
            if (info.error().code() == ErrorCode::kNotFound) continue;
            return std::move(info).error();
          }
          RAMET_TRY(take(i, std::move(*info)));
          if (is_done()) break;
        }
        continue;
      }
      ObjectId from;
      if (!behind_cursor) {
        RAMET_ASSIGN(const bool is_here, records.has_record(type_, *search_.cursor));
        if (!is_here && i + 1 < places_.size()) continue;
        behind_cursor = true;
        from = *search_.cursor;
      }
      std::optional<Fault> failed;
      RAMET_TRY(records.records(type_, from, [&](const RecordInfo& info) {
        auto taken = take(i, info);
        if (!taken.ok()) failed = std::move(taken).error();
        return taken.ok() && !is_done();
      }));
      if (failed) return std::move(*failed);
    }
    return {};
  }

  Outcome<void> take(size_t place, RecordInfo info) {
    if (!counts_ && sees_all_ && !has_conditions(search_) && seen_ < search_.offset) {
      ++seen_;
      return {};
    }
    Json resource;
    RAMET_ASSIGN(const bool accepted, accepts(info, &resource));
    if (!accepted) return {};
    if (++seen_ <= search_.offset) return {};
    if (is_full()) {
      result_.has_more = true;
      return {};
    }
    if (sees_all_) resource = nullptr;
    result_.hits.push_back({places_[place], std::move(info), std::move(resource)});
    return {};
  }

  Outcome<void> sorted() {
    std::vector<Match> matches;
    const auto consider = [&](size_t i, const RecordInfo& info) -> Outcome<void> {
      Json resource;
      RAMET_ASSIGN(const bool accepted, accepts(info, &resource));
      if (!accepted) return {};
      if (resource.is_null()) resource = parse_document(info);
      Match match{{}, i, info.id};
      for (const auto& sort : search_.sort) match.keys.push_back(sort_value(sort, resource));
      matches.push_back(std::move(match));
      return {};
    };
    const bool by_time = search_.sort.size() == 1 && search_.sort[0].param == nullptr &&
                         !search_.sort[0].by_id && places_.size() == 1;
    for (size_t i = 0; i < places_.size(); ++i) {
      const RecordView& records = *views_[i];
      Candidates candidates(call_.types(), records, search_, type_);
      RAMET_ASSIGN(const bool indexed, candidates.collect());
      if (!indexed && by_time) return in_order_of_time(records);
      std::optional<Fault> failed;
      if (indexed) {
        for (const ObjectId& id : candidates.ids()) {
          RAMET_ASSIGN(const RecordInfo info, records.record(type_, id));
          RAMET_TRY(consider(i, info));
        }
      } else {
        RAMET_TRY(records.records(type_, {}, [&](const RecordInfo& info) {
          auto considered = consider(i, info);
          if (!considered.ok()) failed = std::move(considered).error();
          return considered.ok();
        }));
      }
      if (failed) return std::move(*failed);
    }
    std::stable_sort(matches.begin(), matches.end(), [&](const Match& a, const Match& b) {
      for (size_t i = 0; i < a.keys.size(); ++i) {
        if (a.keys[i] == b.keys[i]) continue;
        return search_.sort[i].descending ? a.keys[i] > b.keys[i] : a.keys[i] < b.keys[i];
      }
      return false;
    });
    if (counts_) result_.total = matches.size();
    counts_ = false;
    const uint64_t from = std::min<uint64_t>(search_.offset, matches.size());
    const uint64_t to = std::min<uint64_t>(from + search_.count, matches.size());
    result_.has_more = to < matches.size();
    for (uint64_t n = from; n < to; ++n) {
      RAMET_ASSIGN(RecordInfo info, views_[matches[n].place]->record(type_, matches[n].id));
      Json resource;
      RAMET_ASSIGN(const bool accepted, accepts(info, &resource));
      if (!accepted) continue;
      if (sees_all_) resource = nullptr;
      result_.hits.push_back({places_[matches[n].place], std::move(info), std::move(resource)});
    }
    return {};
  }

  Outcome<void> in_order_of_time(const RecordView& records) {
    RecordQuery query{type_, std::string(kLastUpdatedField), {}, {}, {},
                      search_.sort[0].descending};
    std::optional<Fault> failed;
    RAMET_TRY(records.find_records(query, [&](ByteView, const ObjectId& id) {
      auto info = records.record(type_, id);
      auto taken = info.ok() ? take(0, std::move(*info)) : Outcome<void>(Fault(info.error()));
      if (!taken.ok()) failed = std::move(taken).error();
      return taken.ok() && !is_done();
    }));
    if (failed) return std::move(*failed);
    return {};
  }

  Call& call_;
  const Search& search_;
  TypeNumber type_ = 0;
  std::vector<ContainerId> places_;
  std::vector<std::shared_ptr<const View>> views_;
  bool sees_all_ = false;
  bool counts_ = false;  // all that match are still to be counted
  uint64_t seen_ = 0;
  SearchResult result_;
};

}  // namespace

Outcome<SearchResult> run_search(Call& call, const Search& search) {
  return Run(call, search).run();
}

Outcome<std::vector<ObjectId>> find_matches(Call& call, const RecordView& records,
                                            const Search& search, size_t most) {
  RAMET_TRY(check_parameters(call.login, search));
  RAMET_ASSIGN(const TypeNumber type, call.types().number(search.type));
  std::vector<ObjectId> out;
  std::optional<Fault> failed;
  const auto look = [&](const RecordInfo& info) {
    Json resource = parse_document(info);
    auto matched = matches(search, resource);
    if (!matched.ok()) {
      failed = std::move(matched).error();
    } else if (*matched &&
               check_read(call.login, Interaction::kSearch, resource, matches_parameter).ok()) {
      out.push_back(info.id);
    }
    return !failed && out.size() < most;
  };
  Candidates candidates(call.types(), records, search, type);
  RAMET_ASSIGN(const bool indexed, candidates.collect());
  if (indexed) {
    for (const ObjectId& id : candidates.ids()) {
      RAMET_ASSIGN(const RecordInfo info, records.record(type, id));
      if (!look(info)) break;
    }
  } else {
    RAMET_TRY(records.records(type, {}, look));
  }
  if (failed) return std::move(*failed);
  return out;
}

}  // namespace ramet::serve::fhir
