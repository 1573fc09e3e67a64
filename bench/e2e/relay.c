// The relay: the "physical limit" yardstick. Single thread, epoll (edge-triggered), OpenSSL. NOT a proxy: no parsing beyond
// the end of the head and content-length, one fixed upstream, one fixed credential header added by memcpy.
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
#include <time.h>
#include <unistd.h>
typedef struct U U;
typedef struct {
  char kind;
  char pause;
  int fd;
  U* u;
  int64_t bleft;
  char* pend;
  size_t po, pl;
  char* part;
  size_t partl;
} Cl;  // pend: bytes waiting to go to the client
struct U {
  char kind;
  char inhead;
  int fd;
  SSL* ssl;
  Cl* c;
  int64_t left;
  char* pend;
  size_t po, pl;
  U* next;
};
static int ep, lfd, upport;
static SSL_CTX* ctx;
static SSL_SESSION* sess;
static U* pool;
static int npool;
enum { B = 262144 };
static char rb[B + 64], ob[B + 4096], sb[B + 64];
static const char inj[] = "Authorization: Bearer sk-live-0123456789abcdef0123456789abcdef0123456789abcdef\r\n";
static char cork;
static char* cb;
static size_t cl;  // corked TLS bytes
static int bw(BIO* b, const char* p, int n) {
  BIO_clear_retry_flags(b);
  if (cork) {
    if (cl + n <= 2 * B) {
      memcpy(cb + cl, p, n);
      cl += n;
      return n;
    }
  }
  ssize_t r = send((int)(intptr_t)BIO_get_data(b), p, n, MSG_NOSIGNAL);
  if (r < 0 && errno == EAGAIN) BIO_set_retry_write(b);
  return r;
}
static int br(BIO* b, char* p, int n) {
  BIO_clear_retry_flags(b);
  ssize_t r = recv((int)(intptr_t)BIO_get_data(b), p, n, 0);
  if (r < 0 && errno == EAGAIN) BIO_set_retry_read(b);
  return r;
}
static long bc(BIO* b, int c, long n, void* p) {
  return c == BIO_CTRL_FLUSH;
}
static int bcr(BIO* b) {
  BIO_set_init(b, 1);
  return 1;
}
static BIO_METHOD* bm;
static int newsess(SSL* s, SSL_SESSION* x) {
  if (sess) SSL_SESSION_free(sess);
  sess = x;
  return 1;
}
static void add(int fd, void* p) {
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = p};
  epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}
static U* mk() {
  U* u = calloc(1, sizeof *u);
  u->kind = 'u';
  u->fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(upport)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(u->fd, (void*)&a, sizeof a) < 0) {
    perror("connect");
    exit(1);
  }
  int one = 1;
  setsockopt(u->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  u->ssl = SSL_new(ctx);
  BIO* b = BIO_new(bm);
  BIO_set_data(b, (void*)(intptr_t)u->fd);
  SSL_set_bio(u->ssl, b, b);
  SSL_set_tlsext_host_name(u->ssl, "upstream.test");
  SSL_set1_host(u->ssl, "upstream.test");
  if (sess) SSL_set_session(u->ssl, sess);
  if (SSL_connect(u->ssl) != 1) {
    ERR_print_errors_fp(stderr);
    exit(1);
  }
  fcntl(u->fd, F_SETFL, O_NONBLOCK);
  add(u->fd, u);
  return u;
}  // blocking handshake: it is a yardstick
static void ufree(U* u) {
  SSL_free(u->ssl);
  close(u->fd);
  free(u->pend);
  free(u);
}
static void cfree(Cl* c) {
  if (c->u) {
    c->u->c = 0;
    ufree(c->u);
  }
  close(c->fd);
  free(c->pend);
  free(c->part);
  free(c);
}
static int uwrite(U* u, const char* p, size_t n) {  // 1 ok(all taken, maybe pending), -1 error
  if (n <= 16384 && !u->pl) {
    int r = SSL_write(u->ssl, p, n);
    return r == (int)n ? 1 : -1;
  }
  cork = 1;
  cl = 0;
  int r = SSL_write(u->ssl, p, n);
  cork = 0;
  if (r != (int)n) return -1;
  size_t o = 0;
  if (!u->pl)
    while (o < cl) {
      ssize_t k = send(u->fd, cb + o, cl - o, MSG_NOSIGNAL);
      if (k < 0) {
        if (errno == EAGAIN) break;
        return -1;
      }
      o += k;
    }
  if (o < cl) {
    u->pend = realloc(u->pend, u->pl + cl - o);
    memcpy(u->pend + u->pl, cb + o, cl - o);
    u->pl += cl - o;
  }
  return 1;
}
static int64_t clen(char* h, char* e) {
  char* p = h;
  while ((p = memchr(p, '\n', e - p))) {
    p++;
    if ((*p | 32) == 'c' && e - p > 15 && !strncasecmp(p, "content-length:", 15)) return atoll(p + 15);
  }
  return 0;
}
static void client(Cl* c);
static void up(U* u) {  // upstream readable
  Cl* c = u->c;
  if (!c) {
    char t[64];
    int r = SSL_read(u->ssl, t, 64);
    if (r <= 0 && SSL_get_error(u->ssl, r) != SSL_ERROR_WANT_READ) {
      U** q = &pool;
      while (*q && *q != u) q = &(*q)->next;
      if (*q) {
        *q = u->next;
        ufree(u);
      }
    }
    return;
  }
  if (c->pl) return;
  for (;;) {
    size_t n = 0;
    int want = 0;
    while (n <= B - 16384) {
      int r = SSL_read(u->ssl, sb + n, B - n);
      if (r <= 0) {
        int e = SSL_get_error(u->ssl, r);
        if (e == SSL_ERROR_WANT_READ) {
          want = 1;
          break;
        }
        cfree(c);
        return;
      }
      n += r;
      if (u->inhead) {
        sb[n] = 0;
        char* e = memmem(sb, n, "\r\n\r\n", 4);
        if (!e) continue;
        u->left = clen(sb, e) + (e + 4 - sb) - n;
        u->inhead = 0;
      } else
        u->left -= r;
      if (u->left <= 0) break;
    }
    int fin = !u->inhead && u->left <= 0;
    if (fin) {
      c->u = 0;
      u->c = 0;
      u->next = pool;
      pool = u;
      npool++;
    }
    size_t o = 0;
    while (o < n) {
      ssize_t k = send(c->fd, sb + o, n - o, MSG_NOSIGNAL);
      if (k < 0) {
        if (errno == EAGAIN) break;
        cfree(c);
        return;
      }
      o += k;
    }
    if (o < n) {
      c->pend = malloc(n - o);
      memcpy(c->pend, sb + o, n - o);
      c->po = 0;
      c->pl = n - o;
      return;
    }
    if (fin || want) return;
  }
}
static void client(Cl* c) {
  for (;;) {
    if (c->u && c->u->pl) {
      c->pause = 1;
      return;
    }
    size_t off = c->partl;
    if (off) {
      memcpy(rb, c->part, off);
      c->partl = 0;
      free(c->part);
      c->part = 0;
    }
    ssize_t n = recv(c->fd, rb + off, (c->bleft ? B : B - 4096) - off, 0);
    if (n < 0) {
      if (errno != EAGAIN)
        cfree(c);
      else if (off) {
        c->part = malloc(off);
        memcpy(c->part, rb, off);
        c->partl = off;
      }
      return;
    }
    if (n == 0) {
      cfree(c);
      return;
    }
    int full = (size_t)n == (c->bleft ? B : B - 4096) - off;
    n += off;
    if (c->bleft) {
      c->bleft -= n;
      if (uwrite(c->u, rb, n) < 0) {
        cfree(c);
        return;
      }
      if (!full) return;
      continue;
    }
    char* e = memmem(rb, n, "\r\n\r\n", 4);
    if (!e) {
      c->part = malloc(n);
      memcpy(c->part, rb, n);
      c->partl = n;
      return;
    }
    int64_t bl = rb[0] == 'G' ? 0 : clen(rb, e);
    size_t head = e + 2 - rb;
    c->bleft = bl - (n - (head + 2));
    U* u = pool;
    if (u) {
      pool = u->next;
      npool--;
    } else
      u = mk();
    u->c = c;
    c->u = u;
    u->inhead = 1;
    char* sp = memchr(rb, ' ', head);
    size_t m = sp + 1 - rb;
    char* path = sp + 1;
    if (*path != '/') {
      path = memchr(path + 7, '/', head - m - 7);
    }
    size_t l = rb + head - path;
    memcpy(ob, rb, m);
    memcpy(ob + m, path, l);
    memcpy(ob + m + l, inj, sizeof inj - 1);
    l += m + sizeof inj - 1;
    memcpy(ob + l, rb + head, n - head);
    l += n - head;
    if (uwrite(u, ob, l) < 0) {
      cfree(c);
      return;
    }
    if (!full) return;
  }
}
int main(int ac, char** av) {
  signal(SIGPIPE, SIG_IGN);
  int port = atoi(av[1]);
  upport = atoi(av[2]);
  struct rlimit rl = {16384, 16384};
  setrlimit(RLIMIT_NOFILE, &rl);
  cb = malloc(2 * B + 65536);
  ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_load_verify_locations(ctx, av[3], 0);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, 0);
  SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, 65536);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, newsess);
  bm = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "s");
  BIO_meth_set_write(bm, bw);
  BIO_meth_set_read(bm, br);
  BIO_meth_set_ctrl(bm, bc);
  BIO_meth_set_create(bm, bcr);
  lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int one = 1;
  setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(lfd, (void*)&a, sizeof a) || listen(lfd, 4096)) {
    perror("bind");
    return 1;
  }
  ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0};
  epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &e);
  struct epoll_event ev[256];
  for (;;) {
    int n = epoll_wait(ep, ev, 256, -1);
    for (int i = 0; i < n; i++) {
      void* p = ev[i].data.ptr;
      uint32_t f = ev[i].events;
      if (!p) {
        int fd;
        while ((fd = accept4(lfd, 0, 0, SOCK_NONBLOCK)) >= 0) {
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          Cl* c = calloc(1, sizeof *c);
          c->kind = 'c';
          c->fd = fd;
          add(fd, c);
        }
        continue;
      }
      // An object freed earlier in this batch can only be hit on an abort; drop such batches to stay simple.
      if (*(char*)p == 'u') {
        U* u = p;
        if ((f & EPOLLOUT) && u->pl) {
          size_t o = 0;
          while (o < u->pl) {
            ssize_t k = send(u->fd, u->pend + o, u->pl - o, MSG_NOSIGNAL);
            if (k < 0) break;
            o += k;
          }
          memmove(u->pend, u->pend + o, u->pl - o);
          u->pl -= o;
          if (!u->pl) {
            free(u->pend);
            u->pend = 0;
            if (u->c && u->c->pause) {
              u->c->pause = 0;
              client(u->c);
            }
          }
        }
        if (f & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) up(u);
      } else {
        Cl* c = p;
        if ((f & EPOLLOUT) && c->pl) {
          while (c->po < c->pl) {
            ssize_t k = send(c->fd, c->pend + c->po, c->pl - c->po, MSG_NOSIGNAL);
            if (k < 0) break;
            c->po += k;
          }
          if (c->po == c->pl) {
            free(c->pend);
            c->pend = 0;
            c->pl = c->po = 0;
            if (c->u) up(c->u);
          }
        }
        if (f & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
          if (!c->pause && !(c->u && !c->bleft))
            client(c);
          else if (f & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
            cfree(c);
        }
      }
    }
  }
}
