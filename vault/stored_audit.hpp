#pragma once
// The chains of events as they lie in the store: added to, read, verified and shortened. The door is audit.hpp, what
// leaders do is audit_chain.hpp.
//
//   audit/ORG//SEQUENCE       Event; ORG is empty for the system's, SEQUENCE 16 hex digits, so that keys are in order
//   audit_head/ORG//head      AuditHead
//
// Thread safety: any thread. Ownership: borrows the records.
#include <mutex>

#include "vault/audit.hpp"
#include "vault/records.hpp"

namespace postern::vault {

class StoredAudit final : public Audit {
 public:
  explicit StoredAudit(Records& records) : records_(records) {}

  Result<void> append(std::vector<Event> events) override;
  Result<AuditPage> list(const AuditQuery& query) const override;
  Result<AuditHead> head(std::string_view organization) const override;
  Result<void> check(AuditCheck& check, std::size_t limit) const override;
  Result<std::size_t> sweep(std::int64_t before_ms) override;
  void set_quota(std::uint64_t bytes) override { records_.chain().set_quota(bytes); }
  std::uint64_t unkept() const override { return records_.chain().unkept(); }

 private:
  Result<std::size_t> shorten(const std::string& organization, std::int64_t before_ms);

  Records& records_;
  std::mutex sweeping_;
};

// For whoever verifies records one by one: an event follows from the one before it, a head names the last one.
// Errors: corrupt.
Result<void> verify_event(const Records& records, const Entry& entry, const Path& path);
Result<void> verify_audit_head(const Records& records, const Entry& entry, const Path& path);

}  // namespace postern::vault
