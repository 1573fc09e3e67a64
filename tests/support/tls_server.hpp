#pragma once
// A TLS server for one test: certificates made in the process, connections answered by a function on a thread each.
//
// Thread safety: the handler runs on the connection's thread; the rest is the test's. The destructor cuts what is still
// open and waits for every thread.
#include <openssl/ssl.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "proxy/net/address_policy.hpp"

namespace postern::test {

struct Identity {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> certificate;
};

// An authority and what it signs. The authority's certificate can be written as the PEM file of a Trust.
class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  // `name`: a DNS name, or an address with the prefix "IP:". `expired`: it ended an hour ago.
  Identity issue(const std::string& name, bool expired = false) const;
  static Identity self_signed(const std::string& name);
  const std::filesystem::path& pem() const { return pem_; }  // the root, in a file that lives as long as this

 private:
  Identity root_;
  std::filesystem::path pem_;
};

// The server's end of one connection, after its handshake. Everything blocks.
class Peer {
 public:
  Peer(SSL* ssl, int number) : number(number), ssl_(ssl) {}
  const int number;  // 0 for the first connection whose handshake was done
  bool resumed() const { return SSL_session_reused(ssl_) == 1; }
  std::string server_name() const;            // SNI; "" if there was none
  bool shown(const std::string& name) const;  // a client certificate of that name

  // Up to and with the empty line behind a head; "" when the other side has ended.
  std::string read_head();
  // Exactly so many bytes, or fewer if the other side ended.
  std::string read(std::size_t size);
  // Until what was read ends with `mark`, or the other side ended.
  std::string read_until(std::string_view mark);
  // What one record held; "" when the other side has ended.
  std::string read_record();
  void write(std::string_view bytes);             // one TLS record up to 16 KiB; after the other side's end: nothing
  std::string as_record(std::string_view bytes);  // what write() would put on the wire; to be sent raw, in pieces
  void send_raw(std::string_view bytes);
  void close_notify();
  void cut();    // the connection ends without close_notify
  void reset();  // and with a TCP reset
  // Waits until the other side ends: what a stall is made of. True: it said close_notify.
  bool wait_for_end();

 private:
  bool take_more();
  SSL* ssl_;
  std::string ahead_;
  bool closed_ = false, clean_ = false;
};

class TlsServer {
 public:
  using Handler = std::function<void(Peer&)>;
  TlsServer(Identity identity, Handler handler, int max_version = TLS1_3_VERSION);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  // From now on a handshake ends unless the client shows a certificate of this authority.
  void demand_clients_of(const Authority& authority);

  net::Endpoint endpoint() const;
  std::uint16_t port() const { return port_; }
  int handshakes() const { return handshakes_; }
  int accepted() const { return accepted_; }

 private:
  void accept();
  void serve(int fd);

  Identity identity_;
  Handler handler_;
  SSL_CTX* context_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> handshakes_{0}, accepted_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// A head's answer of known length, complete.
std::string ok(std::string_view body);

// Something that threads tell and the test waits for.
class Signal {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool is_set() const {
    const std::lock_guard lock(mutex_);
    return set_;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return set_; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

}  // namespace postern::test
