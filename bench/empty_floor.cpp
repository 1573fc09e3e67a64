// What a process takes that has RocksDB open and the system's roots loaded, and does nothing: the floor under ours.
//   empty_floor DIRECTORY    prints "ready" and waits for the end of its input
#include <openssl/ssl.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/table.h>

#include <cstdio>
#include <memory>

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: empty_floor DIRECTORY\n", stderr);
    return 2;
  }
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 4 << 20;
  options.max_background_jobs = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(4 << 20, 2);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::Open(options, arguments[1], &opened);
  if (!status.ok()) {
    std::fprintf(stderr, "empty_floor: %s\n", status.ToString().c_str());
    return 1;
  }
  const std::unique_ptr<rocksdb::DB> db(opened);
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!tls || SSL_CTX_set_default_verify_paths(tls.get()) != 1) return 1;
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
