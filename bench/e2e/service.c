// The service: a minimal TLS upstream (epoll, single thread): canned keep-alive responses; reads a POST body fully before it
// answers. Used so that the upstream is as cheap as possible and the proxy under test saturates first. Loopback only.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
typedef struct {
  int fd;
  SSL* ssl;
  int hs;
  char h[16384];
  size_t hl;
  int64_t body;
  const char* out;
  size_t ol, oo;
  uint32_t ev;
  char tmp[4096];
} C;
static int ep;
static char* canned[4];
static size_t cln[4];
static char buf[262144];
static unsigned long nconn_total;
static void want(C* c, uint32_t e) {
  if (c->ev == e) return;
  struct epoll_event v = {.events = e, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &v);
  c->ev = e;
}
static void drop(C* c) {
  SSL_free(c->ssl);
  close(c->fd);
  free(c);
}
static void mk(int i, const char* b, size_t n) {
  canned[i] = malloc(n + 256);
  int k = sprintf(
      canned[i],
      "HTTP/1.1 200 OK\r\nServer: upsrv\r\nDate: Fri, 20 Nov 2026 20:00:00 GMT\r\nContent-Type: "
      "application/json\r\nContent-Length: %zu\r\nConnection: keep-alive\r\nX-Request-Id: 0123456789abcdef\r\n\r\n",
      n);
  memcpy(canned[i] + k, b, n);
  cln[i] = k + n;
}
static int wr(C* c) {
  while (c->oo < c->ol) {
    int k = c->ol - c->oo > 131072 ? 131072 : c->ol - c->oo;
    int r = SSL_write(c->ssl, c->out + c->oo, k);
    if (r <= 0) {
      int e = SSL_get_error(c->ssl, r);
      if (e == SSL_ERROR_WANT_WRITE) {
        want(c, EPOLLIN | EPOLLOUT);
        return 0;
      }
      return -1;
    }
    c->oo += r;
  }
  c->out = 0;
  want(c, EPOLLIN);
  return 1;
}
static int respond(C* c) {
  char* h = c->h;
  c->oo = 0;
  char* sp = strchr(h, ' ') + 1;
  if (*sp != '/') {
    char* q = strstr(sp, "://");
    if (q && (q = strchr(q + 3, '/'))) sp = q;
  }
  if (!strncmp(sp, "/echo", 5)) {
    char* a = strcasestr(h, "\r\nauthorization:");
    char* x = strcasestr(h, "\r\nx-connection-id:");
    char* o = strcasestr(h, "\r\nhost:");
    int al = a ? strcspn(a + 16, " \r") : 0;
    char b[2048];
    (void)al;
    int n = snprintf(b, sizeof b, "%.*s|%.*s|%.*s|%.*s", a ? (int)strcspn(a + 17, "\r") : 0, a ? a + 17 : "",
                     (int)strcspn(sp, " "), sp, o ? (int)strcspn(o + 8, "\r") : 0, o ? o + 8 : "",
                     x ? (int)strcspn(x + 2, "\r") : 0, x ? x + 2 : "");
    c->ol = snprintf(c->tmp, sizeof c->tmp, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, b);
    c->out = c->tmp;
    return wr(c);
  }
  int i = !strncmp(sp, "/medium", 7) ? 1 : !strncmp(sp, "/big", 4) ? 2 : !strncmp(sp, "/upload", 7) ? 3 : 0;
  if (strncmp(sp, "/nocheck", 8) && !strcasestr(h, "\r\nauthorization: bearer sk-live-")) {
    c->out = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";
    c->ol = strlen(c->out);
  } else {
    c->out = canned[i];
    c->ol = cln[i];
  }
  return wr(c);
}
static int feed(C* c, const char* b, size_t n) {
  while (n) {
    if (c->body) {
      size_t k = n > (size_t)c->body ? c->body : n;
      c->body -= k;
      b += k;
      n -= k;
      if (!c->body && respond(c) < 0) return -1;
      continue;
    }
    size_t k = sizeof c->h - 1 - c->hl;
    if (k > n) k = n;
    memcpy(c->h + c->hl, b, k);
    size_t old = c->hl;
    c->hl += k;
    c->h[c->hl] = 0;
    char* e = memmem(c->h, c->hl, "\r\n\r\n", 4);
    if (!e) return c->hl >= sizeof c->h - 1 ? -1 : 0;
    size_t used = e + 4 - c->h - old;
    b += used;
    n -= used;
    e[2] = 0;
    c->hl = 0;
    char* p = c->h[0] == 'G' ? 0 : strcasestr(c->h, "\r\ncontent-length:");
    c->body = p ? atoll(p + 17) : 0;
    if (c->h[0] != 'G' && strcasestr(c->h, "\r\ntransfer-encoding:")) {
      fprintf(stderr, "chunked upload not supported\n");
      return -1;
    }
    if (!c->body && respond(c) < 0) return -1;
  }
  return 0;
}
int main(int ac, char** av) {
  signal(SIGPIPE, SIG_IGN);
  int port = atoi(av[1]);
  char* W = av[2];
  char f[512];
  struct rlimit rl = {16384, 16384};
  setrlimit(RLIMIT_NOFILE, &rl);
  SSL_CTX* ctx = SSL_CTX_new(TLS_server_method());
  snprintf(f, 512, "%s/pki/up.pem", W);
  SSL_CTX_use_certificate_chain_file(ctx, f);
  snprintf(f, 512, "%s/pki/up.key", W);
  SSL_CTX_use_PrivateKey_file(ctx, f, SSL_FILETYPE_PEM);
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, 65536);
  SSL_CTX_set_session_id_context(ctx, (void*)"b", 1);
  snprintf(f, 512, "%s/conf/small.json", W);
  FILE* F = fopen(f, "r");
  size_t n = fread(buf, 1, 1024, F);
  mk(0, buf, n);
  char* b = malloc(10485760);
  for (int i = 0; i < 10485760; i++) b[i] = "0123456789abcdef"[i & 15];
  mk(1, b, 102400);
  mk(2, b, 10485760);
  mk(3, "ok", 2);
  int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(l, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(l, (void*)&a, sizeof a) || listen(l, 4096)) {
    perror("bind");
    return 1;
  }
  ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN};
  epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
  struct epoll_event ev[256];
  for (;;) {
    int m = epoll_wait(ep, ev, 256, -1);
    for (int i = 0; i < m; i++) {
      C* c = ev[i].data.ptr;
      if (!c) {
        int fd;
        while ((fd = accept4(l, 0, 0, SOCK_NONBLOCK)) >= 0) {
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          c = calloc(1, sizeof *c);
          c->fd = fd;
          c->ssl = SSL_new(ctx);
          SSL_set_fd(c->ssl, fd);
          c->ev = EPOLLIN;
          struct epoll_event v = {.events = EPOLLIN, .data.ptr = c};
          epoll_ctl(ep, EPOLL_CTL_ADD, fd, &v);
        }
        continue;
      }
      if (!c->hs) {
        int r = SSL_accept(c->ssl);
        if (r == 1) {
          c->hs = 1;
          want(c, EPOLLIN);
        } else {
          int x = SSL_get_error(c->ssl, r);
          if (x == SSL_ERROR_WANT_READ)
            want(c, EPOLLIN);
          else if (x == SSL_ERROR_WANT_WRITE)
            want(c, EPOLLIN | EPOLLOUT);
          else {
            ERR_clear_error();
            drop(c);
          }
          continue;
        }
      }
      if ((ev[i].events & EPOLLOUT) && c->out) {
        if (wr(c) < 0) {
          drop(c);
          continue;
        }
      }
      if (!(ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
      int dead = 0;
      for (;;) {
        int r = SSL_read(c->ssl, buf, sizeof buf);
        if (r <= 0) {
          int x = SSL_get_error(c->ssl, r);
          if (x != SSL_ERROR_WANT_READ && x != SSL_ERROR_WANT_WRITE) dead = 1;
          break;
        }
        if (feed(c, buf, r) < 0) {
          dead = 1;
          break;
        }
        if (!c->body && !c->hl && !SSL_has_pending(c->ssl)) break;
      }
      if (dead) {
        ERR_clear_error();
        drop(c);
      }
    }
  }
}
