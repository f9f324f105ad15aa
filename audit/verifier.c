#include "audit/verifier.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hsm/verify.h"

enum {
	HELPERS_MAX = 64,
	BATCH = 128, /* signatures that a helper gets at once */
	AHEAD = 2,   /* batches that it may have unanswered */
	/* Of P-256. RSA, which only images are signed by, is verified at once:
	 * it would make every job ten times as large. */
	SPKI_MAX = 91,
	SIGNATURE_MAX = 72
};

/* As it goes through the socket. */
struct job {
	uint64_t index, at;
	uint8_t spki_size, signature_size;
	uint8_t spki[SPKI_MAX], digest[32], signature[SIGNATURE_MAX];
};

/* What comes back: the first of a batch that is bad, or BATCH. */
struct verdict {
	uint32_t bad;
};

struct batch {
	struct job jobs[BATCH];
	uint32_t count;
};

struct helper {
	pid_t pid;
	int socket;
	/* Batches that were sent and not answered, the oldest first. */
	struct {
		uint64_t index[BATCH], at[BATCH];
	} sent[AHEAD];
	size_t sent_count;
};

struct mm_verifier {
	struct helper *helpers;
	unsigned count, next;
	struct batch batch; /* being filled */
};

static enum mm_error
bad(uint64_t index, uint64_t at)
{
	return mm_fail(MM_E_LOG_WRONG,
	    "entry %llu: its signature, in entry %llu, does not verify",
	    (unsigned long long)index, (unsigned long long)at);
}

static bool
is_good(const struct job *job)
{
	return mm_signature_check(mm_span(job->spki, job->spki_size),
		   job->digest,
		   mm_span(job->signature, job->signature_size)) == MM_OK;
}

/* --- the socket --- */

static bool
send_all(int fd, const void *data, size_t size)
{
	const char *bytes = data;

	while (size > 0) {
		ssize_t put = send(fd, bytes, size, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		bytes += put;
		size -= (size_t)put;
	}
	return true;
}

static bool
receive_all(int fd, void *data, size_t size)
{
	char *bytes = data;

	while (size > 0) {
		ssize_t got = recv(fd, bytes, size, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		bytes += got;
		size -= (size_t)got;
	}
	return true;
}

/* --- a helper --- */

static bool
serve_one(int fd, struct batch *batch)
{
	struct verdict verdict = {.bad = BATCH};

	if (!receive_all(fd, &batch->count, sizeof(batch->count)) ||
	    batch->count > BATCH ||
	    !receive_all(fd, batch->jobs, batch->count * sizeof(struct job)))
		return false;
	for (uint32_t i = 0; i < batch->count && verdict.bad == BATCH; i++)
		if (!is_good(&batch->jobs[i]))
			verdict.bad = i;
	return send_all(fd, &verdict, sizeof(verdict));
}

/* All other descriptors are closed: what they are is not for a helper, and
 * another helper's would keep that from ending. */
static void __attribute__((noreturn)) serve(int socket)
{
	struct batch batch;
	int fd = dup2(socket, STDERR_FILENO + 1);

	if (fd < 0 || close_range((unsigned)fd + 1, ~0U, 0) < 0)
		_exit(1);
	while (serve_one(fd, &batch))
		continue;
	_exit(0);
}

static enum mm_error
helper_start(struct mm_verifier *verifier)
{
	struct helper *helper = &verifier->helpers[verifier->count];
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot start a helper: %s", strerror(errno));
	helper->pid = fork();
	if (helper->pid == 0)
		serve(ends[1]);
	close(ends[1]);
	if (helper->pid < 0) {
		close(ends[0]);
		return mm_fail(
		    MM_E_SYSTEM, "cannot start a helper: %s", strerror(errno));
	}
	helper->socket = ends[0];
	verifier->count++;
	return MM_OK;
}

enum mm_error
mm_verifier_new(unsigned helpers, struct mm_verifier **out)
{
	struct mm_verifier *verifier = calloc(1, sizeof(*verifier));
	enum mm_error error = MM_OK;

	if (helpers > HELPERS_MAX)
		helpers = HELPERS_MAX;
	if (verifier != NULL && helpers > 0)
		verifier->helpers = calloc(helpers, sizeof(struct helper));
	if (verifier == NULL || (helpers > 0 && verifier->helpers == NULL)) {
		mm_verifier_free(verifier);
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	}
	for (unsigned i = 0; i < helpers && error == MM_OK; i++)
		error = helper_start(verifier);
	if (error != MM_OK)
		mm_verifier_free(verifier);
	else
		*out = verifier;
	return error;
}

void
mm_verifier_free(struct mm_verifier *verifier)
{
	if (verifier == NULL)
		return;
	for (unsigned i = 0; i < verifier->count; i++)
		close(verifier->helpers[i].socket);
	for (unsigned i = 0; i < verifier->count; i++)
		while (waitpid(verifier->helpers[i].pid, NULL, 0) < 0 &&
		       errno == EINTR)
			continue;
	free(verifier->helpers);
	free(verifier);
}

/* --- spreading the work --- */

static enum mm_error
gone(void)
{
	return mm_fail(MM_E_SYSTEM,
	    "a helper that verifies signatures has ended; try again with "
	    "--jobs 1");
}

/* The answer to the oldest batch. */
static enum mm_error
helper_answer(struct helper *helper)
{
	struct verdict verdict;
	uint64_t index, at;

	if (!receive_all(helper->socket, &verdict, sizeof(verdict)))
		return gone();
	if (verdict.bad < BATCH) {
		index = helper->sent[0].index[verdict.bad];
		at = helper->sent[0].at[verdict.bad];
		return bad(index, at);
	}
	helper->sent_count--;
	memmove(&helper->sent[0], &helper->sent[1],
	    helper->sent_count * sizeof(helper->sent[0]));
	return MM_OK;
}

/* Takes the answers that are there already. */
static enum mm_error
helper_drain(struct helper *helper)
{
	struct pollfd wait = {.fd = helper->socket, .events = POLLIN};
	enum mm_error error = MM_OK;

	while (
	    error == MM_OK && helper->sent_count > 0 && poll(&wait, 1, 0) == 1)
		error = helper_answer(helper);
	return error;
}

static enum mm_error
send_batch(struct helper *helper, const struct batch *batch)
{
	if (!send_all(helper->socket, &batch->count, sizeof(batch->count)) ||
	    !send_all(
		helper->socket, batch->jobs, batch->count * sizeof(struct job)))
		return gone();
	for (uint32_t i = 0; i < batch->count; i++) {
		helper->sent[helper->sent_count].index[i] =
		    batch->jobs[i].index;
		helper->sent[helper->sent_count].at[i] = batch->jobs[i].at;
	}
	helper->sent_count++;
	return MM_OK;
}

static enum mm_error
verify_batch(const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		if (!is_good(&batch->jobs[i]))
			return bad(batch->jobs[i].index, batch->jobs[i].at);
	return MM_OK;
}

/* A helper that has time gets it; where none has, there is nothing better to
 * do than to verify it here. */
static enum mm_error
spread_batch(struct mm_verifier *verifier)
{
	struct batch *batch = &verifier->batch;
	enum mm_error error;

	for (unsigned i = 0; i < verifier->count; i++) {
		struct helper *helper =
		    &verifier->helpers[verifier->next++ % verifier->count];

		error = helper_drain(helper);
		if (error != MM_OK)
			return error;
		if (helper->sent_count == AHEAD)
			continue;
		error = send_batch(helper, batch);
		batch->count = 0;
		return error;
	}
	error = verify_batch(batch);
	batch->count = 0;
	return error;
}

enum mm_error
mm_verifier_add(struct mm_verifier *verifier, const struct mm_verifiable *one)
{
	struct batch *batch = &verifier->batch;
	struct job *job = &batch->jobs[batch->count];

	if (one->spki.size > SPKI_MAX || one->signature.size > SIGNATURE_MAX)
		return mm_signature_check(
			   one->spki, one->digest, one->signature) == MM_OK
			   ? MM_OK
			   : bad(one->index, one->at);
	*job = (struct job){.index = one->index,
	    .at = one->at,
	    .spki_size = (uint8_t)one->spki.size,
	    .signature_size = (uint8_t)one->signature.size};
	memcpy(job->spki, one->spki.data, one->spki.size);
	memcpy(job->digest, one->digest, sizeof(job->digest));
	memcpy(job->signature, one->signature.data, one->signature.size);
	if (verifier->count == 0)
		return is_good(job) ? MM_OK : bad(one->index, one->at);
	batch->count++;
	return batch->count == BATCH ? spread_batch(verifier) : MM_OK;
}

enum mm_error
mm_verifier_end(struct mm_verifier *verifier)
{
	enum mm_error error =
	    verifier->batch.count > 0 ? spread_batch(verifier) : MM_OK;

	for (unsigned i = 0; i < verifier->count; i++)
		while (error == MM_OK && verifier->helpers[i].sent_count > 0)
			error = helper_answer(&verifier->helpers[i]);
	return error;
}
