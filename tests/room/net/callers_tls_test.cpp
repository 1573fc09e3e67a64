// TLS towards callers: handshakes with leaves of the local authority, and everything else a Client does, over them.
#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <numeric>
#include <thread>

#include "proxy/net/client.hpp"
#include "proxy/net/leaves.hpp"
#include "tests/support/loop.hpp"
#include "tests/support/tls_server.hpp"
#include "vault/authority.hpp"

namespace postern::net {
namespace {

using test::Far;
using test::Peer;
using testing::AnyOf;
using testing::HasSubstr;

constexpr Millis kLong{20'000};

std::int64_t now() {
  return std::time(nullptr);
}

// A caller with OpenSSL, on a thread of its own. What the test wants otherwise is set on `context` before.
struct Caller {
  explicit Caller(X509* trusted) : context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), trusted);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  ~Caller() {
    if (thread.joinable()) thread.join();
  }
  void protocols(std::string_view names) {
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(names.data()),
                            static_cast<unsigned>(names.size()));
  }
  std::shared_ptr<SSL> ssl(const std::string& host) const {
    std::shared_ptr<SSL> made(SSL_new(context.get()), SSL_free);
    if (!server_name.empty()) SSL_set_tlsext_host_name(made.get(), server_name.c_str());
    X509_VERIFY_PARAM* verify = SSL_get0_param(made.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) != 1) SSL_set1_host(made.get(), host.c_str());
    SSL_set_connect_state(made.get());
    return made;
  }
  // Shakes hands on `far`, then `talk`s.
  void start(const Far& far, const std::string& host, std::function<void(SSL*)> talk = {}) {
    thread = std::thread([this, fd = far.fd(), host, talk = std::move(talk)] {
      const std::shared_ptr<SSL> made = ssl(host);
      SSL_set_fd(made.get(), fd);
      if (SSL_do_handshake(made.get()) != 1) {
        const char* text = ERR_reason_error_string(ERR_peek_last_error());
        failure = text != nullptr ? text : "closed";
        ::shutdown(fd, SHUT_WR);
        return;
      }
      version = SSL_version(made.get());
      const unsigned char* name = nullptr;
      unsigned size = 0;
      SSL_get0_alpn_selected(made.get(), &name, &size);
      protocol.assign(reinterpret_cast<const char*>(name), size);
      if (talk) talk(made.get());
    });
  }
  void wait() { thread.join(); }

  std::shared_ptr<SSL_CTX> context;
  std::string server_name;
  std::string failure, protocol;  // once wait() is through
  int version = 0;
  std::thread thread;
};

class CallersTls : public testing::Test {
 protected:
  CallersTls() {
    vault::NewAuthority wanted;
    wanted.label = "room";
    wanted.names = {"api.test", "*.many.test", "192.0.2.7", "2001:db8::7"};
    wanted.now = now();
    const auto bytes = vault::Authority::create(wanted);
    authority = *vault::Authority::open(bytes->certificate, bytes->key.expose());
    leaves.use(Issuer::make(authority->x509(), authority->key()));
    caller.emplace(authority->x509());
    caller->server_name = "api.test";
  }
  ~CallersTls() override { client.reset(); }  // before the caller is waited for: a failed test must end
  void connect(int buffers = 0) {
    test::Pair pair = test::tcp_pair(buffers);
    far = std::move(pair.far);
    client = std::make_unique<Client>(loop.worker, pair.near);
  }
  TlsAccepted accept(const std::string& host = "api.test", Millis timeout = kLong) {
    return loop.run(client->accept_tls(leaves.open(host, false, now()), timeout));
  }
  TlsAccepted accept_address(const std::string& host) {
    return loop.run(client->accept_tls(leaves.open(host, true, now()), kLong));
  }
  // Both sides through the handshake.
  void shake_hands(std::function<void(SSL*)> talk = {}) {
    connect();
    caller->start(far, "api.test", std::move(talk));
    const TlsAccepted accepted = accept();
    ASSERT_EQ(accepted.fault, Fault::none) << accepted.reason;
  }
  std::string fill_until(std::string_view mark) {
    while (!client->in.view().ends_with(mark)) {
      if (loop.run(client->fill(client->in)) != Io::ok) break;
    }
    return std::string(client->in.view());
  }
  // What a refused caller was told: the alert goes out, and nothing after it.
  void expect_refused(const char* alert) {
    loop.run(client->linger());
    caller->wait();
    EXPECT_THAT(caller->failure, HasSubstr(alert));
  }

  test::Loop loop;
  std::shared_ptr<const vault::Authority> authority;
  Leaves leaves;
  Far far;  // before the caller, who uses it
  std::unique_ptr<Client> client;
  std::optional<Caller> caller;
};

TEST_F(CallersTls, are_believed_by_whoever_believes_the_authority) {
  shake_hands();
  caller->wait();
  EXPECT_EQ(caller->failure, "");
  EXPECT_EQ(caller->version, TLS1_3_VERSION);
  EXPECT_TRUE(client->is_tls());
}

TEST_F(CallersTls, speak_tls_1_2_and_nothing_older) {
  SSL_CTX_set_max_proto_version(caller->context.get(), TLS1_2_VERSION);
  shake_hands();
  caller->wait();
  EXPECT_EQ(caller->version, TLS1_2_VERSION);

  caller.emplace(authority->x509());
  caller->server_name = "api.test";
  SSL_CTX_set_security_level(caller->context.get(), 0);
  SSL_CTX_set_min_proto_version(caller->context.get(), TLS1_1_VERSION);
  SSL_CTX_set_max_proto_version(caller->context.get(), TLS1_1_VERSION);
  connect();
  caller->start(far, "api.test");
  EXPECT_EQ(accept().fault, Fault::tls);
  expect_refused("protocol version");
}

TEST_F(CallersTls, who_believe_another_authority_say_so) {
  vault::NewAuthority wanted;
  wanted.label = "other";
  wanted.names = {"api.test"};
  wanted.now = now();
  const auto bytes = vault::Authority::create(wanted);
  const auto other = *vault::Authority::open(bytes->certificate, bytes->key.expose());
  caller.emplace(other->x509());
  caller->server_name = "api.test";
  connect();
  caller->start(far, "api.test");
  const TlsAccepted accepted = accept();
  EXPECT_EQ(accepted.fault, Fault::tls);
  EXPECT_TRUE(accepted.untrusted);
  EXPECT_THAT(accepted.reason, HasSubstr("unknown ca"));
}

TEST_F(CallersTls, do_not_believe_a_leaf_that_the_authority_may_not_sign) {
  connect();
  caller->server_name = "api.elsewhere.test";
  caller->start(far, "api.elsewhere.test");
  const TlsAccepted accepted = accept("api.elsewhere.test");
  EXPECT_EQ(accepted.fault, Fault::tls);
  caller->wait();
  EXPECT_THAT(caller->failure, HasSubstr("certificate verify failed"));
}

TEST_F(CallersTls, are_refused_with_another_server_name) {
  for (const char* name : {"other.many.test", "test", "xapi.test", ".test", "192.0.2.7"}) {
    connect();
    caller.emplace(authority->x509());
    caller->server_name = name;
    caller->start(far, "api.test");
    const TlsAccepted accepted = accept();
    EXPECT_EQ(accepted.fault, Fault::tls) << name;
    EXPECT_FALSE(accepted.untrusted);
    EXPECT_THAT(accepted.reason, HasSubstr("SNI"));
    expect_refused("unrecognized name");
  }
}

TEST_F(CallersTls, may_write_the_server_name_as_they_like) {
  for (const char* name : {"API.Test", "api.test."}) {
    connect();
    caller.emplace(authority->x509());
    caller->server_name = name;
    caller->start(far, "api.test");
    EXPECT_EQ(accept().fault, Fault::none) << name;
    caller->wait();
  }
}

TEST_F(CallersTls, need_a_server_name_unless_the_host_is_an_address) {
  caller->server_name.clear();
  connect();
  caller->start(far, "api.test");
  EXPECT_EQ(accept().fault, Fault::tls);
  expect_refused("unrecognized name");

  for (const char* address : {"192.0.2.7", "2001:db8::7"}) {
    caller.emplace(authority->x509());
    connect();
    caller->start(far, address);
    const TlsAccepted accepted = accept_address(address);
    EXPECT_EQ(accepted.fault, Fault::none) << accepted.reason;
    caller->wait();
    EXPECT_EQ(caller->failure, "");
  }
}

TEST_F(CallersTls, choose_http_1_1_where_they_offer_it) {
  caller->protocols("\x02h2\x08http/1.1");
  shake_hands();
  caller->wait();
  EXPECT_EQ(caller->protocol, "http/1.1");
}

TEST_F(CallersTls, who_offer_only_http_2_are_refused) {
  caller->protocols("\x02h2");
  connect();
  caller->start(far, "api.test");
  const TlsAccepted accepted = accept();
  EXPECT_EQ(accepted.fault, Fault::tls);
  EXPECT_THAT(accepted.reason, HasSubstr("application protocol"));
  expect_refused("no application protocol");
}

TEST_F(CallersTls, get_no_ticket_to_come_back_with) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    caller.emplace(authority->x509());
    caller->server_name = "api.test";
    SSL_CTX_set_max_proto_version(caller->context.get(), version);
    static int tickets;
    tickets = 0;
    SSL_CTX_set_session_cache_mode(caller->context.get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(caller->context.get(), [](SSL* /*ssl*/, SSL_SESSION* session) {
      tickets += SSL_SESSION_is_resumable(session);
      return 0;
    });
    shake_hands([](SSL* ssl) {
      char byte = 0;
      SSL_read(ssl, &byte, 1);  // tickets would come before it
    });
    EXPECT_EQ(loop.run(client->write("x", kLong)), Io::ok);
    caller->wait();
    EXPECT_EQ(tickets, 0);
  }
}

// A caller whose bytes the test carries.
struct Carried {
  explicit Carried(std::shared_ptr<SSL> made) : ssl(std::move(made)) {
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  }
  std::string said() const {  // since last asked
    std::string bytes(BIO_ctrl_pending(SSL_get_wbio(ssl.get())), '\0');
    BIO_read(SSL_get_wbio(ssl.get()), bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  void hears(std::string_view bytes) const {
    BIO_write(SSL_get_rbio(ssl.get()), bytes.data(), static_cast<int>(bytes.size()));
  }
  std::shared_ptr<SSL> ssl;
};

TEST_F(CallersTls, may_shake_hands_byte_by_byte) {
  connect();
  const int on = 1;
  ::setsockopt(far.fd(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
  const Carried carried(caller->ssl("api.test"));
  std::thread slow([&] {
    while (SSL_do_handshake(carried.ssl.get()) != 1) {
      for (const char byte : carried.said()) far.send({&byte, 1});
      std::string heard;
      if (!far.receive_some(heard, nullptr, 1)) return;
      carried.hears(heard);
    }
    const std::string last = carried.said();
    for (const char byte : last) far.send({&byte, 1});
    SSL_write(carried.ssl.get(), "GET", 3);
    for (const char byte : carried.said()) far.send({&byte, 1});
  });
  EXPECT_EQ(accept().fault, Fault::none);
  EXPECT_EQ(fill_until("GET"), "GET");
  slow.join();
}

TEST_F(CallersTls, may_begin_before_they_are_asked) {
  // The whole ClientHello, a part of it, or one byte came with the CONNECT.
  for (const std::size_t early : {std::string::npos, std::size_t{100}, std::size_t{1}}) {
    connect();
    const Carried carried(caller->ssl("api.test"));
    EXPECT_NE(SSL_do_handshake(carried.ssl.get()), 1);
    const std::string hello = carried.said();
    client->in.assign(hello.substr(0, early));
    std::thread rest([&] {
      far.send(hello.substr(std::min(early, hello.size())));
      while (SSL_do_handshake(carried.ssl.get()) != 1) {
        std::string heard;
        if (!far.receive_some(heard, nullptr)) return;
        carried.hears(heard);
      }
      far.send(carried.said());
      SSL_write(carried.ssl.get(), "GET", 3);
      far.send(carried.said());
    });
    EXPECT_EQ(accept().fault, Fault::none);
    EXPECT_EQ(fill_until("GET"), "GET");
    rest.join();
  }
}

TEST_F(CallersTls, who_send_garbage_are_refused) {
  const std::string rows[] = {"GET / HTTP/1.1\r\n\r\n", std::string(300, '\0'), std::string(300, '\xff'),
                              std::string("\x16\x03\x01\xff\xff", 5) + std::string(70'000, 'x'),
                              std::string("\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9) + std::string(300, 'x')};
  for (const std::string& bytes : rows) {
    connect();
    std::thread sender([&] {
      far.send(bytes);
      far.end();
      far.receive_all();
    });
    EXPECT_THAT(accept().fault, AnyOf(Fault::tls, Fault::client_gone));
    EXPECT_FALSE(client->is_tls());
    client.reset();
    sender.join();
  }
  for (const std::string& bytes : rows) {  // the same before they are asked
    connect();
    client->in.assign(std::string_view(bytes).substr(0, kBufferSize));
    far.end();
    EXPECT_THAT(accept().fault, AnyOf(Fault::tls, Fault::client_gone));
  }
}

TEST_F(CallersTls, who_never_finish_are_not_waited_for) {
  connect();
  EXPECT_EQ(accept("api.test", Millis(200)).fault, Fault::client_timeout);

  connect();
  const Carried carried(caller->ssl("api.test"));
  EXPECT_NE(SSL_do_handshake(carried.ssl.get()), 1);
  far.send(carried.said());  // and nothing after our answer
  EXPECT_EQ(accept("api.test", Millis(200)).fault, Fault::client_timeout);
}

TEST_F(CallersTls, who_leave_in_the_handshake_are_gone) {
  connect();
  far.close();
  EXPECT_EQ(accept().fault, Fault::client_gone);
  connect();
  far.reset();
  EXPECT_EQ(accept().fault, Fault::client_gone);
}

TEST_F(CallersTls, may_not_renegotiate) {
  SSL_CTX_set_max_proto_version(caller->context.get(), TLS1_2_VERSION);
  bool refused = false;
  shake_hands([&](SSL* ssl) {
    SSL_renegotiate(ssl);
    refused = SSL_do_handshake(ssl) != 1;
    ::shutdown(SSL_get_fd(ssl), SHUT_RDWR);
  });
  EXPECT_NE(loop.run(client->fill(client->in)), Io::ok);
  caller->wait();
  EXPECT_TRUE(refused);
}

TEST_F(CallersTls, may_change_their_keys_between_requests) {
  shake_hands([](SSL* ssl) {
    for (int i = 0; i < 3; ++i) {
      SSL_write(ssl, "x", 1);
      SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
    }
    SSL_write(ssl, ".", 1);
  });
  EXPECT_EQ(fill_until("."), "xxx.");
  caller->wait();
}

TEST_F(CallersTls, say_and_hear_what_a_plain_one_would) {
  std::string heard;
  shake_hands([&](SSL* ssl) {
    Peer peer(ssl, 0);
    peer.write("GET / HTTP/1.1\r\n\r\n");
    heard = peer.read(17);
    peer.close_notify();
  });
  EXPECT_EQ(fill_until("\r\n\r\n"), "GET / HTTP/1.1\r\n\r\n");
  iovec parts[] = {
      {const_cast<char*>("HTTP/1.1"), 8}, {const_cast<char*>(""), 0}, {const_cast<char*>(" 204\r\n\r\nx"), 9}};
  EXPECT_EQ(loop.run(client->write(parts, kLong)), Io::ok);
  EXPECT_EQ(client->bytes_out, 17U);
  EXPECT_EQ(client->bytes_in, 18U);
  caller->wait();
  EXPECT_EQ(heard, "HTTP/1.1 204\r\n\r\nx");
  client->in.consume(18);
  EXPECT_EQ(loop.run(client->fill(client->in)), Io::closed);
  EXPECT_EQ(loop.run(client->fill(client->in)), Io::closed);  // and again
}

TEST_F(CallersTls, who_read_slowly_get_everything_in_order) {
  std::string sent(1'500'000, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i * 7 % 23);
  std::string heard;
  connect(4'096);
  caller->start(far, "api.test", [&](SSL* ssl) {
    Peer peer(ssl, 0);
    heard = peer.read(sent.size());
  });
  ASSERT_EQ(accept().fault, Fault::none);
  // Small, larger than a record, and everything between.
  std::vector<iovec> parts;
  for (std::size_t at = 0, size = 1; at < sent.size(); at += size, size = size * 3 % 50'021 + 1) {
    parts.push_back({sent.data() + at, std::min(size, sent.size() - at)});
  }
  EXPECT_EQ(loop.run(client->write(parts, kLong)), Io::ok);
  caller->wait();
  EXPECT_TRUE(heard == sent);
}

TEST_F(CallersTls, who_do_not_read_are_given_up) {
  test::Signal done;
  connect(4'096);
  caller->start(far, "api.test", [&](SSL*) { done.wait(); });
  ASSERT_EQ(accept().fault, Fault::none);
  const std::string much(4'000'000, 'x');
  EXPECT_EQ(loop.run(client->write(much, Millis(200))), Io::failed);
  done.set();
}

TEST_F(CallersTls, may_send_a_record_in_pieces_while_others_are_served) {
  test::Signal go_on;
  const std::string text(8'000, 'x');
  shake_hands([&](SSL* ssl) {
    Peer peer(ssl, 0);
    const std::string record = peer.as_record(text);
    peer.send_raw(std::string_view(record).substr(0, 5'000));
    go_on.wait();
    peer.send_raw(std::string_view(record).substr(5'000));
  });
  // A tick of the thread's own clock comes only if whoever reads has let go of the thread.
  Deadline tick(loop.worker.ticker(), [](void* signal) { static_cast<test::Signal*>(signal)->set(); }, &go_on);
  tick.arm(Millis(200));
  EXPECT_EQ(loop.run(client->fill(client->in)), Io::ok);
  EXPECT_EQ(client->in.view(), text);
}

TEST_F(CallersTls, may_send_two_requests_in_one_record) {
  shake_hands([](SSL* ssl) { SSL_write(ssl, "onetwo", 6); });
  EXPECT_EQ(loop.run(client->fill(client->in, 3)), Io::ok);
  EXPECT_EQ(client->in.view(), "one");
  EXPECT_EQ(loop.run(client->fill(client->body, 3)), Io::ok);  // what is left waits in TLS, not in the socket
  EXPECT_EQ(client->body.view(), "two");
}

TEST_F(CallersTls, go_on_after_a_rest) {
  std::string heard;
  test::Signal rested;
  shake_hands([&](SSL* ssl) {
    Peer peer(ssl, 0);
    peer.write("one");
    rested.wait();
    peer.write("two");
    heard = peer.read(5);
  });
  EXPECT_EQ(fill_until("one"), "one");
  client->in.consume(3);
  client->next_request();
  bool over = false;
  Deadline later(loop.worker.ticker(), [](void* flag) { *static_cast<bool*>(flag) = true; }, &over);
  later.arm(Millis(1'500));  // after that of the buffers
  loop.until([&] { return over; });
  rested.set();
  EXPECT_EQ(fill_until("two"), "two");
  EXPECT_EQ(loop.run(client->write("three", kLong)), Io::ok);
  caller->wait();
  EXPECT_EQ(heard, "three");
}

// What a caller can tell of an end: whether it was said (close_notify), and whether TCP was reset.
struct Ending {
  bool said = false, reset = false;
};
Ending ending_of(SSL* ssl) {
  Peer peer(ssl, 0);
  Ending ending;
  ending.said = peer.wait_for_end();
  char byte = 0;
  ending.reset = ::recv(SSL_get_fd(ssl), &byte, 1, 0) < 0;
  return ending;
}

TEST_F(CallersTls, see_a_clean_end_where_it_is_one) {
  Ending ending;
  shake_hands([&](SSL* ssl) { ending = ending_of(ssl); });
  client.reset();
  caller->wait();
  EXPECT_TRUE(ending.said);
}

TEST_F(CallersTls, see_a_clean_end_although_they_still_send) {
  Ending ending;
  shake_hands([&](SSL* ssl) {
    SSL_write(ssl, "more", 4);
    ending = ending_of(ssl);
    ::shutdown(SSL_get_fd(ssl), SHUT_RDWR);
  });
  loop.run(client->linger());
  caller->wait();
  EXPECT_TRUE(ending.said);
  EXPECT_FALSE(ending.reset);
}

TEST_F(CallersTls, see_that_an_answer_was_cut) {
  Ending ending;
  shake_hands([&](SSL* ssl) { ending = ending_of(ssl); });
  EXPECT_EQ(loop.run(client->write("half an ans", kLong)), Io::ok);
  client->abort();
  client.reset();
  caller->wait();
  EXPECT_FALSE(ending.said);
}

TEST_F(CallersTls, who_leave_without_a_word_are_no_clean_end) {
  shake_hands([](SSL* ssl) { ::shutdown(SSL_get_fd(ssl), SHUT_WR); });
  EXPECT_EQ(loop.run(client->fill(client->in)), Io::failed);
  caller->wait();
}

TEST_F(CallersTls, who_have_said_their_end_still_hear_the_answer) {
  std::string heard;
  shake_hands([&](SSL* ssl) {
    Peer peer(ssl, 0);
    peer.write("GET");
    peer.close_notify();
    heard = peer.read(3);
  });
  EXPECT_EQ(fill_until("GET"), "GET");
  EXPECT_EQ(loop.run(client->fill(client->body)), Io::closed);
  EXPECT_EQ(loop.run(client->write("200", kLong)), Io::ok);
  caller->wait();
  EXPECT_EQ(heard, "200");
}

// --- leaves ---

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  EXPECT_EQ(ASN1_TIME_to_tm(time, &parts), 1);
  return ::timegm(&parts);
}
X509* leaf_of(const SslPtr& ssl) {
  return SSL_get_certificate(ssl.get());
}

TEST_F(CallersTls, see_a_leaf_of_a_week_and_an_hour) {
  const SslPtr ssl = leaves.open("api.test", false, now());
  const std::int64_t begin = seconds_of(X509_get0_notBefore(leaf_of(ssl)));
  EXPECT_NEAR(static_cast<double>(begin), static_cast<double>(now() - 3'600), 5);
  EXPECT_EQ(seconds_of(X509_get0_notAfter(leaf_of(ssl))) - begin, 7 * 86'400 + 3'600);
  EXPECT_EQ(X509_check_host(leaf_of(ssl), "api.test", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(leaf_of(ssl), "other.test", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ca(leaf_of(ssl)), 0);
  EXPECT_EQ(X509_get_extended_key_usage(leaf_of(ssl)), static_cast<unsigned>(XKU_SSL_SERVER));
  EXPECT_GE(ASN1_STRING_length(X509_get0_serialNumber(leaf_of(ssl))), 12);
}

TEST_F(CallersTls, see_no_leaf_that_outlives_its_authority) {
  const std::int64_t late = authority->not_after() - 86'400;
  const SslPtr last = leaves.open("api.test", false, late);
  EXPECT_EQ(seconds_of(X509_get0_notAfter(leaf_of(last))), authority->not_after());
  const SslPtr first = leaves.open("a.many.test", false, authority->not_before());
  EXPECT_EQ(seconds_of(X509_get0_notBefore(leaf_of(first))), authority->not_before());
}

TEST_F(CallersTls, see_the_same_leaf_until_it_is_renewed) {
  const std::int64_t start = now();
  const SslPtr one = leaves.open("api.test", false, start), two = leaves.open("api.test", false, start + 5 * 86'400);
  EXPECT_EQ(leaf_of(one), leaf_of(two));
  const SslPtr later = leaves.open("api.test", false, start + 6 * 86'400 + 1);
  EXPECT_NE(X509_cmp(leaf_of(one), leaf_of(later)), 0);
  const SslPtr earlier = leaves.open("api.test", false, start - 86'400);  // the clock was set back
  EXPECT_NE(X509_cmp(leaf_of(later), leaf_of(earlier)), 0);
  EXPECT_EQ(leaves.size(), 1U);
}

TEST_F(CallersTls, of_ten_thousand_names_leave_a_thousand_leaves) {
  for (int i = 0; i < 10'000; ++i) {
    const std::string host = "n" + std::to_string(i) + ".many.test";
    ASSERT_NE(leaves.open(host, false, now()), nullptr) << host;
    if (i % 100 == 0) ASSERT_NE(leaves.open("api.test", false, now()), nullptr);
    ASSERT_LE(leaves.size(), Leaves::kMost);
  }
  EXPECT_EQ(leaves.size(), Leaves::kMost);
  const SslPtr used = leaves.open("api.test", false, now());  // what is used stays
  EXPECT_EQ(leaves.size(), Leaves::kMost);
}

TEST_F(CallersTls, may_come_under_a_name_of_any_length) {
  std::string host = std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + ".many.test";
  caller->server_name = host;
  connect();
  caller->start(far, host);
  const TlsAccepted accepted = accept(host);
  EXPECT_EQ(accepted.fault, Fault::none) << accepted.reason;
  caller->wait();
  EXPECT_EQ(caller->failure, "");
}

TEST_F(CallersTls, see_leaves_of_the_new_authority_once_it_is_used) {
  const SslPtr before = leaves.open("api.test", false, now());
  const auto bytes = vault::Authority::create({"new", {"api.test"}, now(), vault::kAuthorityLifetime});
  const auto other = *vault::Authority::open(bytes->certificate, bytes->key.expose());
  leaves.use(Issuer::make(other->x509(), other->key()));
  EXPECT_EQ(leaves.size(), 0U);
  const SslPtr after = leaves.open("api.test", false, now());
  EXPECT_EQ(X509_check_issued(other->x509(), leaf_of(after)), X509_V_OK);
  EXPECT_NE(X509_check_issued(other->x509(), leaf_of(before)), X509_V_OK);
  leaves.use(nullptr);
  EXPECT_EQ(leaves.open("api.test", false, now()), nullptr);
}

}  // namespace
}  // namespace postern::net
