// A bounded HTTP/1.1 load generator (one thread, epoll), loopback only. clang-tidy does not look at it, and it is long:
// it is a yardstick, kept as it was when the figures in README.md were made.
// closed loop (-r 0) or fixed rate (-r N, latency counted from the scheduled instant).
// Rotates the connection-id header through -n ids, or draws them with Zipf's law (-z exponent). -q: that many requests.
// Checks the status and the body length.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
typedef struct {
  int fd;
  SSL* ssl;
  int st; /*0 idle 1 sending 2 head 3 body 4 chunked 5 tls-handshake*/
  const char* out;
  size_t olen, ooff, bleft;
  char h[16384];
  size_t hl;
  int64_t left;
  int status;
  int ck;
  int64_t ckleft;
  int64_t t0;
  uint32_t ev;
  int wclose;
  int64_t got;
  char own[2048]; /* the request, where there are too many ids to keep one each */
} C;
static double zipf = 0, *share = 0; /* share[i]: of all requests, to the first i + 1 ids */
static uint64_t most = 0, seed = 88172645463325252ULL;
static int nconn = 1, nids = 1000, port = 0, tls = 0, tunnel = 0, absf = 1, slow = 0;
static double dur = 3, warm = 0.5, rate = 0;
static const char *path = "/small", *host = "upstream.test", *hname = "X-Connection-Id", *idfmt = "conn_%06d",
                  *meth = "GET", *xh = "";
static long blen = 0, expect = -1;
static char* cafile = 0;
static char** req;
static size_t* rl;
static char* body;
static C* cs;
static int ep;
static SSL_CTX* ctx;
static uint64_t nreq, nerr, nbad, nre, bytes;
static uint32_t* hist;
enum { HN = 1 << 22 }; /* 1us buckets to 4 s */
static int *idle, nidle;
static unsigned nextid;
static int64_t tstart, tmeas, tend;
static int meas;
static int64_t now() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}
#include <dirent.h>
static char *kp = 0, *ku = 0;
static double k0, u0;
static double cpu_of(const char* l) {
  double sum = 0;
  if (!l) return 0;
  char *d = strdup(l), *sv = 0;
  for (char* p = strtok_r(d, ",", &sv); p; p = strtok_r(0, ",", &sv)) {
    char f[128];
    snprintf(f, sizeof f, "/proc/%s/task", p);
    DIR* D = opendir(f);
    if (!D) continue;
    struct dirent* e;
    while ((e = readdir(D))) {
      if (e->d_name[0] == '.') continue;
      char g[512];
      snprintf(g, sizeof g, "%s/%s/schedstat", f, e->d_name);
      FILE* F = fopen(g, "r");
      double v;
      if (F) {
        if (fscanf(F, "%lf", &v) == 1) sum += v;
        fclose(F);
      }
    }
    closedir(D);
  }
  free(d);
  return sum / 1e9;
}
static double self_cpu() {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}
static double s0;
static void die(const char* m) {
  perror(m);
  exit(2);
}
static void want(C* c, uint32_t e) {
  if (c->ev == e) return;
  struct epoll_event v = {.events = e, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &v);
  c->ev = e;
}
/* CONNECT, blocking; the TLS that follows is the tunnel's. */
static void open_tunnel(C* c) {
  char b[4096];
  int n =
      snprintf(b, sizeof b, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n%s%s\r\n", host, host, xh, *xh ? "\r\n" : "");
  if (n >= (int)sizeof b || send(c->fd, b, n, MSG_NOSIGNAL) != n) die("CONNECT");
  size_t got = 0;
  while (got < 4 || memcmp(b + got - 4, "\r\n\r\n", 4))
    if (got >= sizeof b || recv(c->fd, b + got++, 1, 0) != 1) die("CONNECT");
  if (memcmp(b + 8, " 200 ", 5)) {
    fprintf(stderr, "%.*s", (int)got, b);
    exit(2);
  }
}
static void copen(C* c) {
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0) die("socket");
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(c->fd, (void*)&a, sizeof a) < 0) die("connect");
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (tls) {
    if (c->ssl) SSL_free(c->ssl);
    c->ssl = SSL_new(ctx);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, host);
    SSL_set1_host(c->ssl, host);
    if (tunnel) open_tunnel(c);
    if (SSL_connect(c->ssl) != 1) {
      ERR_print_errors_fp(stderr);
      exit(2);
    }
  }
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  c->ev = EPOLLIN;
  struct epoll_event v = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &v);
  c->st = 0;
}
static ssize_t rd(C* c, void* b, size_t n) {
  if (!tls) return read(c->fd, b, n);
  int r = SSL_read(c->ssl, b, n);
  if (r > 0) return r;
  int e = SSL_get_error(c->ssl, r);
  if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
    return -1;
  }
  errno = ECONNRESET;
  return e == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}
static ssize_t wr(C* c, const void* b, size_t n) {
  if (!tls) return send(c->fd, b, n, MSG_NOSIGNAL);
  int r = SSL_write(c->ssl, b, n);
  if (r > 0) return r;
  int e = SSL_get_error(c->ssl, r);
  if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
    return -1;
  }
  errno = ECONNRESET;
  return -1;
}
static void start(C* c, int64_t t0);
static void done_(C* c) {
  int64_t t = now();
  if (meas && c->t0 >= tmeas) {
    nreq++;
    if (c->status != 200 || (expect >= 0 && c->got != expect)) nbad++;
    int64_t us = (t - c->t0) / 1000;
    if (us >= HN) us = HN - 1;
    if (us < 0) us = 0;
    hist[us]++;
    if (most && nreq >= most) tend = t;
  }
  c->st = 0;
  if (c->wclose) {
    close(c->fd);
    nre++;
    copen(c);
  }
  if (rate > 0)
    idle[nidle++] = c - cs;
  else if (t < tend)
    start(c, now());
  else
    idle[nidle++] = c - cs;
}
static void reopen(C* c) {
  if (meas) nerr++;
  close(c->fd);
  copen(c);
  if (rate > 0)
    idle[nidle++] = c - cs;
  else if (now() < tend)
    start(c, now());
  else
    idle[nidle++] = c - cs;
}
static int flush_(C* c) {
  while (c->ooff < c->olen) {
    ssize_t n = wr(c, c->out + c->ooff, c->olen - c->ooff);
    if (n < 0) {
      if (errno == EAGAIN) {
        want(c, EPOLLIN | EPOLLOUT);
        return 0;
      }
      return -1;
    }
    c->ooff += n;
  }
  while (c->bleft) {
    size_t k = c->bleft > 262144 ? 262144 : c->bleft;
    ssize_t n = wr(c, body, k);
    if (n < 0) {
      if (errno == EAGAIN) {
        want(c, EPOLLIN | EPOLLOUT);
        return 0;
      }
      return -1;
    }
    c->bleft -= n;
    if (meas) bytes += n;
  }
  want(c, EPOLLIN);
  return 1;
}
static size_t compose(char* to, size_t size, unsigned i) {
  char id[512], cl[64] = "";
  snprintf(id, sizeof id, idfmt, i);
  if (blen) snprintf(cl, sizeof cl, "Content-Length: %ld\r\nContent-Type: application/json\r\n", blen);
  return snprintf(to, size,
                  "%s %s%s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: python-requests/2.31.0\r\nAccept-Encoding: "
                  "identity\r\nAccept: */*\r\nConnection: keep-alive\r\n%s: %s\r\n%s%s%s\r\n",
                  meth, absf ? "http://" : "", absf ? host : "", path, host, hname, id, cl, xh, *xh ? "\r\n" : "");
}
static unsigned drawn(void) {
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  double at = (double)(seed >> 11) / 9007199254740992.0;
  int low = 0, high = nids - 1;
  while (low < high) {
    int middle = (low + high) / 2;
    if (share[middle] < at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}
static void start(C* c, int64_t t0) {
  unsigned i = share ? drawn() : nextid++ % nids;
  c->t0 = t0;
  if (share) {
    c->out = c->own;
    c->olen = compose(c->own, sizeof c->own, i);
  } else {
    c->out = req[i];
    c->olen = rl[i];
  }
  c->ooff = 0;
  c->bleft = blen;
  c->hl = 0;
  c->st = 2;
  c->got = 0;
  c->wclose = 0;
  c->ck = 0;
  if (flush_(c) < 0) reopen(c);
}
static char big[1 << 18];
static int feed(C* c, const char* b, size_t n) {  // 1 = response done
  while (n) {
    if (c->st == 2) {
      size_t k = sizeof c->h - 1 - c->hl;
      if (k > n) k = n;
      memcpy(c->h + c->hl, b, k);
      size_t old = c->hl;
      c->hl += k;
      c->h[c->hl] = 0;
      char* e = memmem(c->h, c->hl, "\r\n\r\n", 4);
      if (!e) {
        if (c->hl >= sizeof c->h - 1) return -1;
        return 0;
      }
      size_t head = e + 4 - c->h;
      size_t used = head - old;
      b += used;
      n -= used;
      e[2] = 0;
      c->status = atoi(c->h + 9);
      char* p = strcasestr(c->h, "\r\ncontent-length:");
      char* q = strcasestr(c->h, "\r\ntransfer-encoding: chunked");
      if (strcasestr(c->h, "\r\nconnection: close")) c->wclose = 1;
      if (q) {
        c->st = 4;
        c->ck = 0;
        c->ckleft = 0;
      } else if (p) {
        c->left = atoll(p + 17);
        c->st = 3;
        if (!c->left) return 1;
      } else if (c->status == 204 || c->status == 304)
        return 1;
      else
        return -1;
    } else if (c->st == 3) {
      int64_t k = n > (size_t)c->left ? c->left : (int64_t)n;
      c->left -= k;
      c->got += k;
      if (meas) bytes += k;
      b += k;
      n -= k;
      if (!c->left) return 1;
    } else if (c->st == 4) {  // ck: 0 size line,1 data,2 crlf after data,3 trailer
      if (c->ck == 0) {
        char ch = *b++;
        n--;
        if (ch == '\n') {
          if (c->ckleft == 0) {
            c->ck = 3;
            c->hl = 0;
          } else
            c->ck = 1;
        } else {
          int v = ch >= '0' && ch <= '9' ? ch - '0' : (ch | 32) >= 'a' && (ch | 32) <= 'f' ? (ch | 32) - 'a' + 10 : -1;
          if (v >= 0) c->ckleft = c->ckleft * 16 + v;
        }
      } else if (c->ck == 1) {
        int64_t k = n > (size_t)c->ckleft ? c->ckleft : (int64_t)n;
        c->ckleft -= k;
        c->got += k;
        if (meas) bytes += k;
        b += k;
        n -= k;
        if (!c->ckleft) c->ck = 2;
      } else if (c->ck == 2) {
        char ch = *b++;
        n--;
        if (ch == '\n') {
          c->ck = 0;
          c->ckleft = 0;
        }
      } else {
        char ch = *b++;
        n--;
        if (ch == '\n') {
          if (c->hl == 0) return 1;
          c->hl = 0;
        } else if (ch != '\r')
          c->hl++;
      }
    } else
      return -1;
  }
  return 0;
}
static double pct(double p, uint64_t tot) {
  uint64_t k = (uint64_t)(p * tot), s = 0;
  for (int i = 0; i < HN; i++) {
    s += hist[i];
    if (s > k) return i + 0.5;
  }
  return HN;
}
int main(int ac, char** av) {
  int o;
  while ((o = getopt(ac, av, "c:d:w:p:n:P:H:N:F:m:b:r:T:Cox:e:K:U:z:q:")) > 0) switch (o) {
      case 'c':
        nconn = atoi(optarg);
        break;
      case 'd':
        dur = atof(optarg);
        break;
      case 'w':
        warm = atof(optarg);
        break;
      case 'p':
        port = atoi(optarg);
        break;
      case 'n':
        nids = atoi(optarg);
        break;
      case 'P':
        path = optarg;
        break;
      case 'H':
        host = optarg;
        break;
      case 'N':
        hname = optarg;
        break;
      case 'F':
        idfmt = optarg;
        break;
      case 'm':
        meth = optarg;
        break;
      case 'b':
        blen = atol(optarg);
        break;
      case 'r':
        rate = atof(optarg);
        break;
      case 'T':
        tls = 1;
        cafile = optarg;
        absf = 0;
        break;
      case 'C':
        tunnel = 1;
        break;
      case 'o':
        absf = 0;
        break;
      case 'K':
        kp = optarg;
        break;
      case 'U':
        ku = optarg;
        break;
      case 'x':
        xh = optarg;
        break;
      case 'z':
        zipf = atof(optarg);
        break;
      case 'q':
        most = atol(optarg);
        break;
      case 'e':
        expect = atol(optarg);
        break;
      default:
        fprintf(stderr,
                "usage: lg -p port [-c conns] [-d s] [-w s] [-r rate] [-P path] [-H host] [-N hdr] [-F idfmt] [-n ids] "
                "[-m M -b bytes] [-T ca.pem [-C tunnel]] [-o origin-form] [-e expected-body] [-z zipf-exponent] [-q "
                "requests]\n");
        return 2;
    }
  if (!port || dur > 120) return 2;
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  req = calloc(nids, sizeof *req);
  rl = calloc(nids, sizeof *rl);
  if (zipf > 0) {
    share = calloc(nids, sizeof *share);
    double sum = 0;
    for (int i = 0; i < nids; i++) share[i] = sum += pow(i + 1, -zipf);
    for (int i = 0; i < nids; i++) share[i] /= sum;
  }
  for (int i = 0; i < nids && !share; i++) {
    char t[4096];
    rl[i] = compose(t, sizeof t, i);
    req[i] = strdup(t);
  }
  if (blen) {
    body = malloc(262144);
    memset(body, 'x', 262144);
  }
  hist = calloc(HN, 4);
  ep = epoll_create1(0);
  cs = calloc(nconn, sizeof *cs);
  idle = calloc(nconn + 8, sizeof(int));
  if (tls) {
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_locations(ctx, cafile, 0);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
  }
  for (int i = 0; i < nconn; i++) copen(&cs[i]);
  tstart = now();
  tmeas = tstart + (int64_t)(warm * 1e9);
  tend = tmeas + (int64_t)(dur * 1e9);
  double gap = rate > 0 ? 1e9 / rate : 0;
  double nxt = tstart;
  uint64_t late = 0;
  if (rate > 0)
    for (int i = 0; i < nconn; i++) idle[nidle++] = i;
  else
    for (int i = 0; i < nconn; i++) start(&cs[i], now());
  struct epoll_event ev[256];
  int64_t tm = 0;
  for (;;) {
    int64_t t = now();
    if (!meas && t >= tmeas) {
      k0 = cpu_of(kp);
      u0 = cpu_of(ku);
      s0 = self_cpu();
      t = now();
      tmeas = t;
      tend = tmeas + (int64_t)(dur * 1e9);
      meas = 1;
      tm = t;
    }
    if (t >= tend) break;
    if (rate > 0) {
      while (nxt <= t && nidle) {
        int k = idle[--nidle];
        start(&cs[k], (int64_t)nxt);
        nxt += gap;
      }
      if (nxt <= t) late++;
    }
    int64_t lim = meas ? tend : tmeas;
    if (rate > 0 && nidle && (int64_t)nxt < lim) lim = (int64_t)nxt;
    int64_t d = lim - now();
    if (d < 0) d = 0;
    struct timespec ts = {d / 1000000000, d % 1000000000};
    int n = epoll_pwait2(ep, ev, 256, &ts, 0);
    if (n < 0 && errno != EINTR) die("epoll");
    for (int i = 0; i < n; i++) {
      C* c = ev[i].data.ptr;
      if (ev[i].events & EPOLLOUT) {
        if (flush_(c) < 0) {
          reopen(c);
          continue;
        }
      }
      if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        if (c->st == 0) {
          char b[64];
          ssize_t r = rd(c, b, sizeof b);
          if (r == 0 || (r < 0 && errno != EAGAIN)) {  // closed while idle
            if (rate > 0 || now() >= tend) {
              nre++;
              close(c->fd);
              copen(c);
            } else
              reopen(c);
          }
          continue;
        }
        for (;;) {
          ssize_t r = rd(c, big, sizeof big);
          if (r < 0) {
            if (errno != EAGAIN) reopen(c);
            break;
          }
          if (r == 0) {
            reopen(c);
            break;
          }
          int f = feed(c, big, r);
          if (f < 0) {
            reopen(c);
            break;
          }
          if (f == 1) {
            done_(c);
            break;
          }
          if (!tls && r < (ssize_t)sizeof big) break;
        }
      }
    }
  }
  int64_t te = now();
  double k1 = cpu_of(kp), u1 = cpu_of(ku), s1 = self_cpu();
  double el = (te - tm) / 1e9;
  uint64_t tot = 0;
  for (int i = 0; i < HN; i++) tot += hist[i];
  int mx = 0;
  for (int i = HN - 1; i >= 0; i--)
    if (hist[i]) {
      mx = i;
      break;
    }
  double sum = 0;
  for (int i = 0; i < HN; i++)
    if (hist[i]) sum += (double)hist[i] * i;
  printf(
      "{\"req\":%lu,\"el\":%.4f,\"rps\":%.1f,\"mbps\":%.2f,\"err\":%lu,\"bad\":%lu,\"reopen\":%lu,\"late\":%lu,"
      "\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%d,\"pcpu\":%.6f,\"ucpu\":%.6f,"
      "\"ccpu\":%.6f}\n",
      nreq, el, nreq / el, bytes / el / 1e6, nerr, nbad, nre, late, tot ? sum / tot : 0, tot ? pct(.5, tot) : 0,
      tot ? pct(.9, tot) : 0, tot ? pct(.99, tot) : 0, tot ? pct(.999, tot) : 0, mx, k1 - k0, u1 - u0, s1 - s0);
  return 0;
}
