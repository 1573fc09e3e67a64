// The records that say who may do what. The format is drawn at the top of record_codec.cpp.
#include "vault/record_bytes.hpp"
#include "vault/record_codec.hpp"

namespace postern::vault {
namespace {

void write_projects(Writer& out, const std::vector<ProjectAccess>& projects) {
  out.count(projects.size());
  for (const auto& [project, role] : projects) {
    out.text(project);
    out.number(static_cast<std::uint8_t>(role));
  }
}

std::vector<ProjectAccess> read_projects(Reader& in) {
  std::vector<ProjectAccess> projects(in.count(5));
  for (auto& [project, role] : projects) {
    project = in.text();
    role = in.choice(Role::admin);
  }
  return projects;
}

void write_limit(Writer& out, const std::optional<std::uint64_t>& limit) {
  out.flag(limit.has_value());
  if (limit) out.number(*limit);
}

std::optional<std::uint64_t> read_limit(Reader& in) {
  if (!in.flag()) return std::nullopt;
  return in.number<std::uint64_t>();
}

}  // namespace

std::string encode(const Authorization& record) {
  Writer out(Kind::authorization, 512);
  for (const auto* field :
       {&record.id, &record.organization, &record.project, &record.user, &record.name, &record.parent}) {
    out.text(*field);
  }
  out.list(record.capabilities);
  out.list(record.connections);
  out.optional_list(record.hosts);
  out.optional_list(record.methods);
  out.list(record.default_for);
  out.text(record.public_id);
  out.text(record.digest);
  out.number(record.created);
  out.number(record.expires);
  out.number(record.revoked);
  out.flag(record.projects.has_value());
  if (record.projects) write_projects(out, *record.projects);
  out.optional_list(record.paths);
  write_limit(out, record.budget.total);
  write_limit(out, record.budget.writes);
  out.text(record.run);
  return out.done();
}

template <>
Result<Authorization> decode(std::string_view bytes) {
  Reader in(bytes, Kind::authorization);
  Authorization record;
  for (auto* field : {&record.id, &record.organization, &record.project, &record.user, &record.name, &record.parent}) {
    *field = in.text();
  }
  record.capabilities = in.list();
  record.connections = in.list();
  record.hosts = in.optional_list();
  record.methods = in.optional_list();
  record.default_for = in.list();
  record.public_id = in.text();
  record.digest = in.text();
  record.created = in.number<std::int64_t>();
  record.expires = in.number<std::int64_t>();
  record.revoked = in.number<std::int64_t>();
  if (in.version() >= 2) {
    if (in.flag()) record.projects = read_projects(in);
    record.paths = in.optional_list();
    record.budget.total = read_limit(in);
    record.budget.writes = read_limit(in);
    record.run = in.text();
  }
  return finish(in, std::move(record), "an authorization");
}

std::string encode(const Organization& record) {
  Writer out(Kind::organization);
  out.text(record.id);
  out.number(record.created);
  out.text(record.name);
  out.flag(record.enabled);
  out.number(record.updated);
  return out.done();
}

template <>
Result<Organization> decode(std::string_view bytes) {
  Reader in(bytes, Kind::organization);
  Organization record;
  record.id = in.text();
  record.created = in.number<std::int64_t>();
  if (in.version() >= 2) {
    record.name = in.text();
    record.enabled = in.flag();
    record.updated = in.number<std::int64_t>();
  }
  return finish(in, std::move(record), "an organization");
}

std::string encode(const Project& record) {
  Writer out(Kind::project);
  out.text(record.id);
  out.text(record.organization);
  out.number(record.created);
  out.text(record.name);
  out.number(record.updated);
  return out.done();
}

template <>
Result<Project> decode(std::string_view bytes) {
  Reader in(bytes, Kind::project);
  Project record;
  record.id = in.text();
  record.organization = in.text();
  record.created = in.number<std::int64_t>();
  if (in.version() >= 2) {
    record.name = in.text();
    record.updated = in.number<std::int64_t>();
  }
  return finish(in, std::move(record), "a project");
}

std::string encode(const User& record) {
  Writer out(Kind::user);
  for (const auto* field : {&record.id, &record.organization, &record.name, &record.email}) out.text(*field);
  out.flag(record.administrator);
  write_projects(out, record.projects);
  out.flag(record.enabled);
  out.number(record.created);
  out.number(record.updated);
  return out.done();
}

template <>
Result<User> decode(std::string_view bytes) {
  Reader in(bytes, Kind::user);
  User record;
  for (auto* field : {&record.id, &record.organization, &record.name, &record.email}) *field = in.text();
  record.administrator = in.flag();
  record.projects = read_projects(in);
  record.enabled = in.flag();
  record.created = in.number<std::int64_t>();
  record.updated = in.number<std::int64_t>();
  return finish(in, std::move(record), "a user");
}

std::string encode(const Spent& record) {
  Writer out(Kind::spent);
  out.text(record.organization);
  out.text(record.id);
  out.number(record.calls.total);
  out.number(record.calls.writes);
  return out.done();
}

template <>
Result<Spent> decode(std::string_view bytes) {
  Reader in(bytes, Kind::spent);
  Spent record;
  record.organization = in.text();
  record.id = in.text();
  record.calls.total = in.number<std::uint64_t>();
  record.calls.writes = in.number<std::uint64_t>();
  return finish(in, std::move(record), "what was spent");
}

}  // namespace postern::vault
