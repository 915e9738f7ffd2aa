// The handlers of all routes (routes.cc says which is whose). Each is called for whoever has what
// the route asks for, with query parameters that it knows.
#pragma once

#include "tools/serve/rest/call.h"

namespace ramet::serve::rest {

Task<Answer> get_service(Call& call);
Task<Answer> get_openapi(Call& call);
Task<Answer> get_me(Call& call);
Task<Answer> list_containers(Call& call);
Task<Answer> create_container(Call& call);
Task<Answer> get_container(Call& call);
Task<Answer> update_container(Call& call);
Task<Answer> drop_container(Call& call);
Task<Answer> get_settings(Call& call);
Task<Answer> update_settings(Call& call);
Task<Answer> get_access(Call& call);
Task<Answer> put_access(Call& call);
Task<Answer> list_grants(Call& call);
Task<Answer> put_grant(Call& call);
Task<Answer> delete_grant(Call& call);
Task<Answer> list_snapshots(Call& call);
Task<Answer> create_snapshot(Call& call);
Task<Answer> get_snapshot(Call& call);
Task<Answer> update_snapshot(Call& call);
Task<Answer> drop_snapshot(Call& call);
Task<Answer> prune_snapshots(Call& call);
Task<Answer> rollback(Call& call);
Task<Answer> list_dropped(Call& call);
Task<Answer> undelete(Call& call);
Task<Answer> clone(Call& call);
Task<Answer> diff(Call& call);
Task<Answer> get_usage(Call& call);
Task<Answer> compute_usage(Call& call);
Task<Answer> list_folder(Call& call);
Task<Answer> put_folder(Call& call);
Task<Answer> delete_folder(Call& call);
Task<Answer> move(Call& call);
Task<Answer> get_object(Call& call);
Task<Answer> put_object(Call& call);
Task<Answer> patch_object(Call& call);
Task<Answer> delete_object(Call& call);
Task<Answer> get_content(Call& call);
Task<Answer> put_content(Call& call);
Task<Answer> list_versions(Call& call);
Task<Answer> get_by_id(Call& call);
Task<Answer> get_content_by_id(Call& call);
Task<Answer> list_uploads(Call& call);
Task<Answer> create_upload(Call& call);
Task<Answer> get_upload(Call& call);
Task<Answer> head_upload(Call& call);
Task<Answer> append_upload(Call& call);
Task<Answer> abort_upload(Call& call);
Task<Answer> complete_upload(Call& call);
Task<Answer> batch(Call& call);
Task<Answer> search(Call& call);
Task<Answer> watch_changes(Call& call);
Task<Answer> list_jobs(Call& call);
Task<Answer> create_job(Call& call);
Task<Answer> get_job(Call& call);
Task<Answer> cancel_job(Call& call);
Task<Answer> list_users(Call& call);
Task<Answer> create_user(Call& call);
Task<Answer> get_user(Call& call);
Task<Answer> update_user(Call& call);
Task<Answer> delete_user(Call& call);
Task<Answer> list_groups(Call& call);
Task<Answer> create_group(Call& call);
Task<Answer> get_group(Call& call);
Task<Answer> update_group(Call& call);
Task<Answer> delete_group(Call& call);
Task<Answer> put_member(Call& call);
Task<Answer> delete_member(Call& call);
Task<Answer> list_tokens(Call& call);
Task<Answer> create_token(Call& call);
Task<Answer> delete_token(Call& call);
Task<Answer> list_keys(Call& call);
Task<Answer> create_key(Call& call);
Task<Answer> delete_key(Call& call);
Task<Answer> list_audit(Call& call);

}  // namespace ramet::serve::rest
