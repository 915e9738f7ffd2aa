// Importer: puts what a source tree hands out into one transaction.
//
// Merging: a name that leads to the same already, in every respect, is left as it is. A name that
// shares its object with other names (hard links) never changes what they show: it gets an object
// of its own, unless the source shares it too. Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/container/transaction_impl.h"
#include "engine/content/stat_cache.h"
#include "engine/content/stream_pipeline.h"
#include "engine/content/tree_copy.h"
#include "engine/import.h"
#include "io/source_tree.h"
#include "io/spill_table.h"

namespace ramet::engine {

class Importer {
 public:
  // `path`: of the source, for messages. `cache`: null for none. All references must outlive it.
  Importer(TransactionImpl& transaction, io::SourceTree& source, std::string path,
           const ImportOptions& options, int attempts, StatCache* cache);

  struct Target {
    FolderId folder;
    bool is_new = false;          // nothing is in it
    bool set_attributes = false;  // those of the source's folder
  };
  // Everything but the commit. Only failures of the store are errors.
  Result<CopyReport> run(const Target& target);

 private:
  struct Level {
    FolderId folder;
    bool is_new = false;    // made here: nothing needs to be looked up in it
    size_t path_bytes = 0;  // of path_, before this folder's name
  };

  Status import_item(io::SourceItem& item);
  Status import_top(io::SourceItem& item);
  Status import_folder(io::SourceItem& item);
  Status import_object(io::SourceItem& item);
  Status import_file(io::SourceItem& item, const std::string& name);
  Status import_loaded(io::SourceItem& item, const std::string& name);
  // False if what the name leads to is not what is known of the file.
  Result<bool> import_known(io::SourceItem& item);
  void note(const io::SourceItem& item, const Attributes& attributes, const ContentHash& content);
  Status import_streamed(io::SourceItem& item, const std::string& name);
  Status import_symlink(io::SourceItem& item, const std::string& name);
  Status import_other(io::SourceItem& item, const std::string& name);

  // What the name leads to now; kept in there_ and old_ for the functions below.
  Status look_up(const std::string& name);
  // False, and a problem, if a folder that is not empty is in the way.
  Result<bool> can_replace(const io::SourceItem& item);
  // True if it is one more name of a file that was imported already.
  Result<bool> import_link(io::SourceItem& item, const std::string& name);
  Result<bool> is_same_file(const io::SpillTable::Entry& seen, const io::SourceItem& item) const;
  // Whether the name's object is equal to the item and may stay.
  Result<bool> is_unchanged(const io::SourceItem& item, const Attributes& attributes,
                            const ContentHash& content);
  bool may_be_unchanged(const io::SourceItem& item) const;
  ContentHash content_id_of_old() const;

  enum class Streamed : uint8_t { kDone, kAgain, kGivenUp };
  Result<Streamed> compare_streamed(io::SourceItem& item, int attempt);
  Result<Streamed> store_streamed(io::SourceItem& item, const std::string& name, int attempt);
  Result<io::SourceTree::Outcome> stream(io::SourceItem& item, int attempt,
                                         const BlockPreparer* preparer,
                                         const StreamPipeline::Use& use);

  Result<std::unique_ptr<ContentWriter>> write_loaded(const io::SourceItem& item);
  // Removes what must not be changed by put_object().
  Status make_room(const std::string& name);
  Status put(const io::SourceItem& item, const std::string& name, const Attributes& attributes,
             std::unique_ptr<ContentWriter> content);
  Status finish_put(const io::SourceItem& item, const ObjectId& id, const Attributes& attributes);
  Status set_folder(FolderId folder, const Attributes& attributes);
  void keep_unchanged(const io::SourceItem& item);
  void remember(const io::SourceItem& item, const ObjectId& id);
  Attributes take_attributes(io::SourceItem& item) const;

  bool name_is_kept(const io::SourceItem& item, const std::string& name);
  std::string path_of(const io::SourceItem& item) const;
  void add_notes(const io::SourceItem& item);
  Status check_cancelled() const;

  TransactionImpl& transaction_;
  StatCache* const cache_;
  io::SourceTree& source_;
  const ImportOptions& options_;
  const int attempts_;
  const ProgressCounter progress_;
  Target target_;
  std::vector<Level> levels_;
  std::string path_;
  size_t skipped_ = 0;  // levels of a folder that could not be made
  CopyReport report_;
  ProblemList problems_;

  std::optional<Entry> there_;
  std::optional<ObjectRecord> old_;
  // (device, inode) of files with several names -> object; uses: names that may come.
  io::SpillTable seen_;
  // Objects with several names that stay -> the file (device, inode, birth) that they stand for.
  io::SpillTable claimed_;
};

// What the cache goes by.
FileStamp stamp_of(const io::SourceItem& item);
// `with`: whether the import keeps them at all.
uint64_t hash_of_xattrs(const std::vector<Xattr>& xattrs, bool with);

// import_tree() with more to say about reading: for tests.
Result<CopyReport> import_with(Store& store, ContainerId container, const std::string& directory,
                               std::string_view target, const ImportOptions& options,
                               io::SourceOptions source_options);

}  // namespace ramet::engine
