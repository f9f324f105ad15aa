/*
 * Asks a running mint for certificates as fast as it gives them, over a
 * number of connections, each with one request under way, and says how many
 * a second there were, how long one took, and what CPU time of all of the
 * daemon's processes one cost.
 *
 *	load IDENTITY ORDER DAEMON-PID CONNECTIONS COUNT
 */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <dirent.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "protocol/client.h"

enum { CONNECTIONS_MAX = 256, WAIT = 30 };

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void
die(const char *what, enum mm_error error)
{
	fprintf(stderr, "load: %s: %s\n", what, mm_why(error));
	exit(1);
}

/* User and system time of one process in ticks, 0 where it is not ours. */
static unsigned long
ticks_of(const char *name, long daemon)
{
	char path[300];
	unsigned long user, kernel;
	long parent;
	FILE *file;
	int got;

	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	got = fscanf(file,
	    "%*d (%*[^)]) %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu "
	    "%lu",
	    &parent, &user, &kernel);
	fclose(file);
	if (got != 3 || (parent != daemon && atol(name) != daemon))
		return 0;
	return user + kernel;
}

/* CPU seconds of the daemon and its children so far. */
static double
cpu(long daemon)
{
	unsigned long ticks = 0;
	DIR *proc = opendir("/proc");
	struct dirent *one;

	while (proc != NULL && (one = readdir(proc)) != NULL)
		if (one->d_name[0] >= '1' && one->d_name[0] <= '9')
			ticks += ticks_of(one->d_name, daemon);
	if (proc != NULL)
		closedir(proc);
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* A new key's CSR, DER, by the bare library. */
static struct mm_span
make_csr(void)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crq_t csr = NULL;
	gnutls_datum_t der = {NULL, 0};

	if (gnutls_x509_privkey_init(&key) < 0 ||
	    gnutls_x509_crq_init(&csr) < 0 ||
	    gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
		GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) < 0 ||
	    gnutls_x509_crq_set_version(csr, 1) < 0 ||
	    gnutls_x509_crq_set_dn(csr, "CN=bench", NULL) < 0 ||
	    gnutls_x509_crq_set_key(csr, key) < 0 ||
	    gnutls_x509_crq_sign2(csr, key, GNUTLS_DIG_SHA256, 0) < 0 ||
	    gnutls_x509_crq_export2(csr, GNUTLS_X509_FMT_DER, &der) < 0)
		die("cannot make a CSR", MM_E_SYSTEM);
	gnutls_x509_crq_deinit(csr);
	gnutls_x509_privkey_deinit(key);
	return mm_span(der.data, der.size);
}

struct line {
	struct mm_client *client;
	double since;
};

struct load {
	struct line lines[CONNECTIONS_MAX];
	const char *order;
	struct mm_span *csrs;
	double *took;
	size_t count, sent, done;
	uint32_t run;
};

static void
ask(struct load *load, struct line *line)
{
	struct mm_issue_request request = {.order = mm_span_text(load->order),
	    .profile = mm_span_text("device")};
	uint8_t id[MM_ID_SIZE];
	char device[64];
	enum mm_error error;

	if (load->sent == load->count)
		return;
	snprintf(
	    device, sizeof(device), "bench-%08x-%zu", load->run, load->sent);
	request.device = mm_span_text(device);
	request.csr = load->csrs[load->sent++];
	line->since = now();
	error = mm_client_send(line->client, MM_MESSAGE_ISSUE, &request, id);
	if (error != MM_OK)
		die("cannot ask", error);
}

static void
take(struct load *load, struct line *line)
{
	struct mm_certificate_answer answer;
	mm_auto(arena) arena = {0};
	uint8_t id[MM_ID_SIZE];
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	error = mm_client_receive(line->client, &arena, id, &answer);
	if (error != MM_OK)
		die("refused", error);
	load->took[load->done++] = now() - line->since;
	ask(load, line);
}

/* Whichever connection has an answer is served first. */
static void
run(struct load *load, size_t connections)
{
	struct pollfd ready[CONNECTIONS_MAX];

	for (size_t i = 0; i < connections; i++) {
		ready[i].fd = mm_client_fd(load->lines[i].client);
		ready[i].events = POLLIN;
		ask(load, &load->lines[i]);
	}
	while (load->done < load->count) {
		if (poll(ready, connections, WAIT * 1000) <= 0)
			die("no answer", MM_E_DEADLINE);
		for (size_t i = 0; i < connections; i++)
			if ((ready[i].revents & POLLIN) != 0 &&
			    load->done < load->count)
				take(load, &load->lines[i]);
	}
}

static int
by_length(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	static struct load load;
	size_t connections;
	double began, seconds, before, used;
	long daemon;

	if (argc != 6 || sodium_init() < 0)
		return 64;
	daemon = atol(argv[3]);
	connections = strtoul(argv[4], NULL, 10);
	load.count = strtoul(argv[5], NULL, 10);
	load.order = argv[2];
	load.run = randombytes_random();
	load.csrs = calloc(load.count, sizeof(*load.csrs));
	load.took = calloc(load.count, sizeof(*load.took));
	if (connections == 0 || connections > CONNECTIONS_MAX ||
	    load.count < connections || load.csrs == NULL || load.took == NULL)
		return 64;
	for (size_t i = 0; i < load.count; i++)
		load.csrs[i] = make_csr();
	for (size_t i = 0; i < connections; i++) {
		enum mm_error error =
		    mm_client_open(argv[1], WAIT, &load.lines[i].client);

		if (error != MM_OK)
			die("cannot connect", error);
	}
	before = cpu(daemon);
	began = now();
	run(&load, connections);
	seconds = now() - began;
	used = cpu(daemon) - before;
	qsort(load.took, load.count, sizeof(*load.took), by_length);
	printf("%4zu connections %8.0f /s  p50 %6.2f ms  p99 %6.2f ms  CPU "
	       "%6.0f us an issuance\n",
	    connections, (double)load.count / seconds,
	    load.took[load.count / 2] * 1e3,
	    load.took[load.count * 99 / 100] * 1e3,
	    used / (double)load.count * 1e6);
	return 0;
}
