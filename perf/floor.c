// The practical floor of a relay: edge-triggered epoll, recv and send, one thread, and nothing that a load
// balancer needs: no checks, no limits, no time, no log, no handover, no order in which turns are taken. What
// vipward costs beside it is what its features cost. Only for perf/run and perf/instructions.
//   perf_floor PORT BACKEND_PORT...   on 127.0.0.1
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kBatch = 512, kBuffer = 64 * 1024, kBacklog = 4096 };

struct Session;

// One direction's source; its sink is the other one of the pair.
struct End {
  struct Session* session;
  int fd;
  char* unsent;  // read here, and not yet taken by the other one
  size_t unsent_bytes;
  int may_end;  // epoll has told of what comes after the bytes: a short read is not the last one
  int has_ended;
  int is_done;  // its end was passed on
};

struct Session {
  struct End ends[2];
  struct Session* next_dead;
};

static char buffer[kBuffer];
static int epoll;
static struct Session* dead;

static void die(const char* what) {
  perror(what);
  exit(1);
}

static struct End* other(struct End* end) {
  return &end->session->ends[end == &end->session->ends[0]];
}

static int add(struct End* end) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = end};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, end->fd, &event);
}

// Freed when the batch is over: later events may still point at it.
static void finish(struct Session* session) {
  if (session->ends[0].fd < 0) return;
  for (int i = 0; i < 2; ++i) {
    close(session->ends[i].fd);
    free(session->ends[i].unsent);
    session->ends[i].fd = -1;
  }
  session->next_dead = dead;
  dead = session;
}

// 0: it failed.
static int flush(struct End* source) {
  while (source->unsent_bytes > 0) {
    const ssize_t sent = send(other(source)->fd, source->unsent, source->unsent_bytes, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == ENOTCONN;
    source->unsent_bytes -= (size_t)sent;
    memmove(source->unsent, source->unsent + sent, source->unsent_bytes);
  }
  free(source->unsent);
  source->unsent = NULL;
  return 1;
}

static int keep(struct End* source, const char* data, size_t size) {
  source->unsent = malloc(size);
  if (source->unsent == NULL) return 0;
  memcpy(source->unsent, data, size);
  source->unsent_bytes = size;
  return flush(source);
}

static int pump(struct End* source) {
  if (source->is_done) return 1;
  if (!flush(source)) return 0;
  while (source->unsent_bytes == 0 && !source->has_ended) {
    const ssize_t got = recv(source->fd, buffer, sizeof buffer, 0);
    if (got < 0) return errno == EAGAIN || errno == ENOTCONN;
    if (got == 0) {
      source->has_ended = 1;
      break;
    }
    const ssize_t sent = send(other(source)->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != ENOTCONN) return 0;
    const size_t taken = sent < 0 ? 0 : (size_t)sent;
    if (taken < (size_t)got && !keep(source, buffer + taken, (size_t)got - taken)) return 0;
    if ((size_t)got < sizeof buffer && !source->may_end) return 1;
  }
  if (source->has_ended && source->unsent_bytes == 0) {
    if (shutdown(other(source)->fd, SHUT_WR) != 0) return 0;
    source->is_done = 1;
  }
  return 1;
}

static void on_event(struct End* end, uint32_t events) {
  struct Session* session = end->session;
  if (end->fd < 0) return;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) end->may_end = 1;
  const int good = pump(end) && (other(end)->unsent_bytes == 0 || pump(other(end)));
  if (!good || (session->ends[0].is_done && session->ends[1].is_done)) finish(session);
}

static struct sockaddr_in local(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static void accept_all(int listener, char** backends, int count) {
  static int turn;
  for (;;) {
    const int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    const int backend = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct Session* session = calloc(1, sizeof *session);
    const struct sockaddr_in address = local(atoi(backends[turn++ % count]));
    const int on = 1;
    if (backend < 0 || session == NULL) die("a session");
    setsockopt(backend, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(backend, (const struct sockaddr*)&address, sizeof address) != 0 && errno != EINPROGRESS)
      die("connect");
    session->ends[0] = (struct End){.session = session, .fd = client};
    session->ends[1] = (struct End){.session = session, .fd = backend};
    if (add(&session->ends[0]) != 0 || add(&session->ends[1]) != 0) die("epoll_ctl");
  }
}

static int listen_at(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const struct sockaddr_in address = local(port);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(listener, (const struct sockaddr*)&address, sizeof address) != 0 ||
      listen(listener, kBacklog) != 0)
    die("listen");
  return listener;
}

static void serve(int listener, char** backends, int count) {
  static struct epoll_event events[kBatch];
  struct epoll_event listening = {.events = EPOLLIN, .data.ptr = NULL};
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening) != 0) die("epoll");
  for (;;) {
    const int got = epoll_wait(epoll, events, kBatch, -1);
    for (int i = 0; i < got; ++i) {
      if (events[i].data.ptr == NULL)
        accept_all(listener, backends, count);
      else
        on_event(events[i].data.ptr, events[i].events);
    }
    while (dead != NULL) {
      struct Session* next = dead->next_dead;
      free(dead);
      dead = next;
    }
  }
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: perf_floor PORT BACKEND_PORT...\n");
    return 2;
  }
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  serve(listen_at(atoi(argv[1])), argv + 2, argc - 2);
}
