// The handlers of all routes (face.cc says which is whose). Each is called for whoever has
// credentials, and asks itself what else it takes.
#pragma once

#include "tools/serve/dnanexus/call.h"

namespace ramet::serve::dnanexus {

// ops_system.cc
Task<Answer> whoami(Call& call);
Task<Answer> get_user_info(Call& call);
Task<Answer> greet(Call& call);
Task<Answer> echo_headers(Call& call);
Task<Answer> destroy_auth_token(Call& call);
Task<Answer> describe_user(Call& call);
Task<Answer> describe_org(Call& call);
Task<Answer> find_nothing(Call& call);
// Without credentials: they are in the input.
Task<Answer> new_auth_token(Call& call);

// ops_project.cc
Task<Answer> new_project(Call& call);
Task<Answer> describe_project(Call& call);
Task<Answer> update_project(Call& call);
Task<Answer> destroy_project(Call& call);
Task<Answer> set_project_properties(Call& call);
Task<Answer> add_project_tags(Call& call);
Task<Answer> remove_project_tags(Call& call);

// ops_permission.cc
Task<Answer> invite(Call& call);
Task<Answer> decrease_permissions(Call& call);
Task<Answer> leave(Call& call);

// ops_folder.cc
Task<Answer> list_folder(Call& call);
Task<Answer> new_folder(Call& call);
Task<Answer> rename_folder(Call& call);
Task<Answer> move_content(Call& call);

// ops_remove.cc
Task<Answer> remove_folder(Call& call);
Task<Answer> remove_objects(Call& call);

// ops_clone.cc
Task<Answer> clone(Call& call);
Task<Answer> list_projects(Call& call);

// ops_archive.cc
Task<Answer> archive(Call& call);
Task<Answer> unarchive(Call& call);

// ops_new.cc
Task<Answer> new_object(Call& call);

// ops_object.cc
Task<Answer> describe_object(Call& call);
Task<Answer> rename_object(Call& call);
Task<Answer> set_properties(Call& call);
Task<Answer> add_tags(Call& call);
Task<Answer> remove_tags(Call& call);
Task<Answer> add_types(Call& call);
Task<Answer> remove_types(Call& call);
Task<Answer> set_visibility(Call& call);
Task<Answer> set_details(Call& call);
Task<Answer> get_details(Call& call);
Task<Answer> close_object(Call& call);

// ops_file.cc
Task<Answer> upload_part(Call& call);
Task<Answer> download_file(Call& call);
Task<Answer> close_file(Call& call);

// ops_find.cc
Task<Answer> find_data_objects(Call& call);
Task<Answer> find_projects(Call& call);
Task<Answer> resolve_data_objects(Call& call);
Task<Answer> describe_data_objects(Call& call);
Task<Answer> describe_projects(Call& call);

}  // namespace ramet::serve::dnanexus
