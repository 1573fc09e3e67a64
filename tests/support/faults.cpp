#include "tests/support/faults.hpp"

#include <rocksdb/file_system.h>
#include <unistd.h>

#include <cerrno>

namespace postern::vault::test {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Step = FaultPlan::Step;

IOStatus status_of(Fault fault) {
  switch (fault) {
    case Fault::no_space:
      return IOStatus::NoSpace("No space left on device");
    case Fault::read_only:
      return IOStatus::IOError("Read-only file system");
    default:
      return IOStatus::IOError("Input/output error");
  }
}

class FaultyFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyFile(std::unique_ptr<rocksdb::FSWritableFile> file, FaultPlan& plan)
      : FSWritableFileOwnerWrapper(std::move(file)), plan_(plan) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    if (const auto fault = plan_.strike(Step::write)) {
      if (*fault == Fault::torn_write) append(Slice(data.data(), data.size() / 2), options, context);
      return status_of(*fault);
    }
    return append(data, options, context);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    return sync([&] { return FSWritableFileOwnerWrapper::Sync(options, context); }, options, context);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return sync([&] { return FSWritableFileOwnerWrapper::Fsync(options, context); }, options, context);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* context) override {
    if (const auto fault = plan_.strike(Step::change)) return status_of(*fault);
    return FSWritableFileOwnerWrapper::Truncate(size, options, context);
  }

 private:
  IOStatus append(const Slice& data, const IOOptions& options, IODebugContext* context) {
    written_ += data.size();
    return FSWritableFileOwnerWrapper::Append(data, options, context);
  }
  template <class Do>
  IOStatus sync(const Do& real, const IOOptions& options, IODebugContext* context) {
    if (const auto fault = plan_.strike(Step::sync)) {
      if (*fault == Fault::sync_loses) {
        static_cast<void>(FSWritableFileOwnerWrapper::Truncate(synced_, options, context));
      }
      return status_of(*fault);
    }
    synced_ = written_;
    return real();
  }
  FaultPlan& plan_;
  std::uint64_t written_ = 0, synced_ = 0;
};

class FaultyDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  FaultyDirectory(std::unique_ptr<rocksdb::FSDirectory> directory, FaultPlan& plan)
      : FSDirectoryWrapper(std::move(directory)), plan_(plan) {}
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    if (const auto fault = plan_.strike(Step::sync)) return status_of(*fault);
    return FSDirectoryWrapper::Fsync(options, context);
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions& how) override {
    if (const auto fault = plan_.strike(Step::sync)) return status_of(*fault);
    return FSDirectoryWrapper::FsyncWithDirOptions(options, context, how);
  }

 private:
  FaultPlan& plan_;
};

class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultyFileSystem(FaultPlan& plan) : FileSystemWrapper(rocksdb::FileSystem::Default()), plan_(plan) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& how,
                           std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* context) override {
    if (const auto fault = plan_.strike(Step::change)) return status_of(*fault);
    const auto made = FileSystemWrapper::NewWritableFile(name, how, file, context);
    if (made.ok()) *file = std::make_unique<FaultyFile>(std::move(*file), plan_);
    return made;
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* directory, IODebugContext* context) override {
    const auto opened = FileSystemWrapper::NewDirectory(name, options, directory, context);
    if (opened.ok()) *directory = std::make_unique<FaultyDirectory>(std::move(*directory), plan_);
    return opened;
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions& options, IODebugContext* context) override {
    if (const auto fault = plan_.strike(Step::change)) return status_of(*fault);
    return FileSystemWrapper::DeleteFile(name, options, context);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* context) override {
    if (const auto fault = plan_.strike(Step::change)) return status_of(*fault);
    return FileSystemWrapper::RenameFile(from, to, options, context);
  }

 private:
  FaultPlan& plan_;
};

bool hits(Fault fault, Step step) {
  switch (fault) {
    case Fault::no_space:
      return step != Step::sync;
    case Fault::torn_write:
      return step == Step::write;
    case Fault::sync_fails:
    case Fault::sync_loses:
      return step == Step::sync;
    case Fault::io_error:
    case Fault::read_only:
      return true;
  }
  return true;
}

}  // namespace

const char* to_string(Fault fault) {
  switch (fault) {
    case Fault::no_space:
      return "no_space";
    case Fault::io_error:
      return "io_error";
    case Fault::torn_write:
      return "torn_write";
    case Fault::sync_fails:
      return "sync_fails";
    case Fault::sync_loses:
      return "sync_loses";
    case Fault::read_only:
      return "read_only";
  }
  return "";
}

void FaultPlan::arm(Fault fault, std::uint64_t at, std::uint64_t times) {
  const std::scoped_lock lock(mutex_);
  fault_ = fault;
  at_ = at;
  left_ = times;
  steps_ = 0;
  struck_ = false;
}

void FaultPlan::clear() {
  const std::scoped_lock lock(mutex_);
  left_ = 0;
}

std::optional<Fault> FaultPlan::strike(Step step) {
  const std::scoped_lock lock(mutex_);
  ++steps_;
  if (left_ == 0 || steps_ < at_ || !hits(*fault_, step)) return std::nullopt;
  if (left_ != kUntilCleared) --left_;
  struck_ = true;
  return fault_;
}

std::uint64_t FaultPlan::steps() const {
  const std::scoped_lock lock(mutex_);
  return steps_;
}

bool FaultPlan::struck() const {
  const std::scoped_lock lock(mutex_);
  return struck_;
}

std::unique_ptr<rocksdb::Env> make_faulty_env(FaultPlan& plan) {
  return rocksdb::NewCompositeEnv(std::make_shared<FaultyFileSystem>(plan));
}

Marker::System make_faulty_marker(FaultPlan& plan) {
  const auto number_of = [](Fault fault) {
    return fault == Fault::no_space ? ENOSPC : fault == Fault::read_only ? EROFS : EIO;
  };
  Marker::System system;
  system.write = [&plan, number_of](int file, const void* bytes, std::size_t size, off_t at) -> ssize_t {
    const auto fault = plan.strike(Step::write);
    if (!fault) return ::pwrite(file, bytes, size, at);
    if (*fault == Fault::torn_write) static_cast<void>(::pwrite(file, bytes, size / 64, at) == 0);
    errno = number_of(*fault);
    return -1;
  };
  system.sync = [&plan, number_of](int file) {
    const auto fault = plan.strike(Step::sync);
    if (!fault) return ::fdatasync(file);
    errno = number_of(*fault);
    return -1;
  };
  return system;
}

}  // namespace postern::vault::test
