// Changing what is said of objects, and what all calls that do have in common.
#pragma once

#include <string>
#include <vector>

#include "tools/function_ref.h"
#include "tools/serve/dnanexus/call.h"
#include "tools/serve/dnanexus/object_json.h"

namespace ramet::serve::dnanexus {

// Edits an object in one commit: what `edit` changes of its metadata and standing is kept, and it
// is modified now. The object is as the transaction sees it; ResourceNotFound if it is gone.
using ObjectEdit = FunctionRef<Outcome<void>(Transaction&, const View&, ObjectInfo&)>;
Task<Outcome<void>> edit_object(Call& call, const Located& found, ObjectEdit edit,
                                Weight weight = Weight::kQuick);

// Sets the details: those of the object and what it links to. `required`: links that come along
// whether hidden or not. InvalidInput: too many links to objects that are hidden or open.
Outcome<void> put_details(Transaction& transaction, const View& view, ObjectInfo& info,
                          const Json& details, const std::vector<ObjectLink>& required = {});

// Tags, types or properties of the input, each once. InvalidInput.
Outcome<std::vector<std::string>> texts_input(const Input& in, std::string_view key);
// A hash of texts; `nulls`: a value may be null. InvalidInput: another value, or a name of ours.
Outcome<const Json*> properties_input(const Input& in, bool nulls);
void add_once(std::vector<std::string>& list, const std::vector<std::string>& more);

}  // namespace ramet::serve::dnanexus
