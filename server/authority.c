#include "server/authority.h"
#include "server/answering.h"
#include "server/issuers.h"
#include "server/partitioning.h"
#include "server/releasing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "protocol/journal.h"
#include "server/role.h"
#include "server/sandbox.h"

enum {
	JOB_ARENA = 1 << 20,
	DRAIN = 8 /* seconds that a stop waits for token and archive */
};

void
mm_authority_fail(struct mm_authority *a, enum mm_error error)
{
	if (a->fatal == MM_OK) {
		a->fatal = error;
		snprintf(
		    a->fatal_why, sizeof(a->fatal_why), "%s", mm_why(error));
	}
	ev_break(a->loop, EVBREAK_ALL);
}

void
mm_authority_distrust(struct mm_authority *a, struct mm_span why)
{
	/* Without a certificate of our own nobody could read either. */
	enum mm_error error = mm_fail(MM_E_LOG_WRONG,
	    "%.*s: nothing is signed any more, %s. Keep log.db, verify a copy "
	    "of the log's directory (mintmark log verify), and make log.db "
	    "anew from it (mintmarkd --restore)",
	    MM_SPAN(why),
	    a->ready ? "only reading goes on" : "so this start ends");

	if (a->distrusted)
		return;
	if (!a->ready) {
		mm_authority_fail(a, error);
		return;
	}
	a->distrusted = true;
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error), "%s", mm_why(error));
	for (struct mm_item *i = a->items; i != NULL; i = i->next)
		mm_item_refuse(a, i, mm_plain(error));
}

enum mm_error
mm_plain(enum mm_error error)
{
	return mm_fail(error, "%s", mm_error_text(error));
}

uint64_t
mm_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec;
}

void
mm_jobs_init(struct mm_jobs *jobs)
{
	*jobs = (struct mm_jobs){.last = &jobs->first};
}

void
mm_jobs_push(struct mm_jobs *jobs, struct mm_job *job)
{
	job->next = NULL;
	*jobs->last = job;
	jobs->last = &job->next;
	jobs->count++;
	jobs->bytes += job->ask.body.size;
}

struct mm_job *
mm_jobs_pop(struct mm_jobs *jobs)
{
	struct mm_job *job = jobs->first;

	if (job == NULL)
		return NULL;
	jobs->first = job->next;
	if (jobs->first == NULL)
		jobs->last = &jobs->first;
	jobs->count--;
	jobs->bytes -= job->ask.body.size;
	return job;
}

void
mm_jobs_remove(struct mm_jobs *jobs, struct mm_job *job)
{
	struct mm_job **place = &jobs->first;

	while (*place != NULL && *place != job)
		place = &(*place)->next;
	if (*place == NULL)
		return;
	*place = job->next;
	if (jobs->last == &job->next)
		jobs->last = place;
	jobs->count--;
	jobs->bytes -= job->ask.body.size;
}

void
mm_job_free(struct mm_job *job)
{
	if (job == NULL)
		return;
	mm_inspect_end(job->inspection);
	mm_images_drop(job->authority, &job->copy);
	mm_partitioning_free(job->partitioning);
	mm_arena_clear(&job->arena);
	free(job);
}

/* A certificate is given up by a statement, also in the midst of a session
 * whose handshake was good. */
static enum mm_error
check_serial(struct mm_authority *a, struct mm_job *job)
{
	struct mm_issued issued;
	enum mm_error error =
	    mm_index_serial(a->index, job->ask.serial, &job->arena, &issued);

	/* Of the access CA before this log: its key is registered. */
	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error == MM_OK && issued.revoked != 0)
		error = mm_fail(MM_E_REVOKED,
		    "the TLS certificate of principal %.*s is revoked",
		    MM_SPAN(job->principal.name));
	return error;
}

enum mm_error
mm_job_admit(struct mm_authority *a, struct mm_job *job)
{
	enum mm_error error = mm_index_principal(
	    a->index, job->ask.client, &job->arena, &job->principal);

	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	error = mm_decide_message(
	    error == MM_OK ? &job->principal : NULL, job->ask.type);
	return error == MM_OK ? check_serial(a, job) : error;
}

static uint64_t
instance_of(const struct mm_authority *a, const struct mm_link *gate)
{
	for (size_t i = 0; i < MM_GATES_MAX; i++)
		if (a->gates[i] == gate)
			return i;
	return MM_GATES_MAX;
}

static struct mm_job *
job_new(struct mm_authority *a, uint64_t gate, struct mm_span body)
{
	struct mm_job *job = calloc(1, sizeof(*job));
	struct mm_span copy;

	if (job == NULL)
		return NULL;
	job->authority = a;
	job->gate = gate;
	job->life = a->lives[gate];
	mm_arena_init(&job->arena, JOB_ARENA);
	copy = mm_arena_copy(&job->arena, body);
	if (copy.data == NULL || mm_shape_decode(&mm_ask_shape, copy,
				     &job->arena, &job->ask) != MM_OK) {
		mm_job_free(job);
		return NULL;
	}
	return job;
}

/*
 * Never half-believed: the supervisor ends its process, which would go on
 * taking connections, and starts another.
 */
void
mm_authority_give_up(
    struct mm_authority *a, uint64_t process, uint64_t instance)
{
	struct mm_control_link link = {process, instance};
	enum mm_error error = mm_channel_send(
	    a->control, MM_CONTROL_KILL, 0, &mm_control_link_shape, &link);

	if (error != MM_OK)
		mm_authority_fail(a, error);
}

void
mm_authority_drop_gate(struct mm_authority *a, uint64_t instance)
{
	mm_authority_give_up(a, MM_GATE, instance);
	mm_link_free(a->gates[instance]);
	a->gates[instance] = NULL;
}

/*
 * A link has ended while the process at its other end may still run. Only a
 * new life of one of us two brings another link: theirs, where they are not
 * to be believed; ours, where the fault is ours.
 */
static void
judge_end(struct mm_authority *a, const struct mm_link *link, uint64_t process,
    uint64_t instance)
{
	if (mm_link_failed(link)) {
		mm_authority_fail(
		    a, mm_fail(MM_E_MEMORY, "the channel to the %s failed",
			   mm_process_name(process)));
		return;
	}
	if (!mm_link_broken(link))
		return;
	mm_journal(MM_LEVEL_ERROR, "protocol-broken",
	    "the %s sent what is no message and is ended",
	    mm_process_name(process));
	mm_authority_give_up(a, process, instance);
}

/* Where there is no memory for a link, as above. */
static struct mm_link *
link_to(struct mm_authority *a, int fd, const struct mm_link_handler *handler)
{
	struct mm_link *link = mm_link_new(a->loop, fd, handler);

	if (link == NULL)
		mm_authority_fail(
		    a, mm_fail(MM_E_MEMORY, "no memory for a channel"));
	return link;
}

static void
gate_asks(void *self, struct mm_link *link, struct mm_received *message)
{
	struct mm_authority *a = self;
	uint64_t instance = instance_of(a, link);
	struct mm_job *job = NULL;

	if (instance == MM_GATES_MAX)
		return;
	if (message->packet.type == MM_PARK &&
	    mm_upload_park(a, message) == MM_OK)
		return;
	if (message->packet.type == MM_ASK)
		job = job_new(a, instance, message->packet.body);
	if (job == NULL) {
		mm_journal(MM_LEVEL_ERROR, "protocol-broken",
		    "a gate sent what is no request and is ended");
		mm_authority_drop_gate(a, instance);
		return;
	}
	if (a->stopping)
		mm_answer_error(a, job, mm_plain(MM_E_STOPPING));
	else if (a->queue.count >= MM_JOBS_MAX ||
		 a->queue.bytes >= MM_JOBS_BYTES)
		mm_answer_error(a, job, mm_plain(MM_E_BUSY));
	else if (job->ask.type == MM_MESSAGE_SUBMIT)
		mm_submit_arrived(a, job, message->fds[0]);
	else if (job->ask.type == MM_MESSAGE_PARTITION)
		mm_partition_arrived(a, job, message->fds[0]);
	else
		mm_jobs_push(&a->queue, job);
	mm_batch_step(a);
}

static void
gate_gone(void *self, struct mm_link *link)
{
	struct mm_authority *a = self;
	uint64_t instance = instance_of(a, link);

	if (instance == MM_GATES_MAX)
		return;
	judge_end(a, link, MM_GATE, instance);
	a->gates[instance] = NULL;
}

/* --- links --- */

static void
notary_answers(void *self, struct mm_link *link, struct mm_received *message)
{
	struct mm_authority *a = self;

	(void)link;
	if (message->packet.type == MM_NOTARY_APPEND && a->batch.open)
		mm_batch_answered(a, message);
	else if (message->packet.type == MM_NOTARY_OPEN && !a->opened)
		mm_start_opened(a, message);
	else if (message->packet.type == MM_NOTARY_BLOB)
		mm_blob_answered(a, message);
	mm_authority_advance(a);
}

static void
notary_gone(void *self, struct mm_link *link)
{
	struct mm_authority *a = self;

	(void)link;
	a->notary = NULL;
	if (a->stopping)
		ev_break(a->loop, EVBREAK_ALL);
	else
		mm_authority_fail(
		    a, mm_fail(MM_E_STORE, "the notary has gone"));
}

static void
archive_answers(void *self, struct mm_link *link, struct mm_received *message)
{
	(void)link;
	mm_reading_answered(self, message);
	mm_authority_advance(self);
}

static void
archive_gone(void *self, struct mm_link *link)
{
	struct mm_authority *a = self;

	judge_end(a, link, MM_ARCHIVE, 0);
	a->archive = NULL;
	mm_reading_lost(a);
	mm_follow_archive_lost(a);
	mm_authority_advance(a);
}

static void
token_answers(void *self, struct mm_link *link, struct mm_received *message)
{
	struct mm_authority *a = self;

	(void)link;
	if (message->packet.type == MM_TOKEN_SIGN)
		mm_signing_answered(a, message);
	else if (message->packet.type == MM_TOKEN_FOLLOW)
		mm_follow_answered(a, message);
	else if (message->packet.type == MM_TOKEN_GENERATE)
		mm_ceremony_made(a, message);
	mm_authority_advance(a);
}

static void
token_gone(void *self, struct mm_link *link)
{
	struct mm_authority *a = self;

	judge_end(a, link, MM_TOKEN, 0);
	a->token = NULL;
	mm_follow_lost(a);
	mm_signing_token_down(a);
	mm_authority_advance(a);
}

static void
link_gate(struct mm_authority *a, uint64_t instance, int fd)
{
	const struct mm_link_handler handler = {gate_asks, gate_gone, a};

	if (instance >= MM_GATES_MAX) {
		close(fd);
		return;
	}
	mm_link_free(a->gates[instance]);
	/* Its connections' numbers begin anew: no answer for the former
	 * process may reach them. */
	a->lives[instance]++;
	a->gates[instance] = link_to(a, fd, &handler);
	if (a->gates[instance] != NULL)
		mm_issue_show_gate(a, a->gates[instance]);
}

static void
link_notary(struct mm_authority *a, uint64_t instance, int fd)
{
	const struct mm_link_handler handler = {notary_answers, notary_gone, a};

	(void)instance;
	mm_link_free(a->notary);
	a->notary = link_to(a, fd, &handler);
	mm_authority_advance(a);
}

static void
link_archive(struct mm_authority *a, uint64_t instance, int fd)
{
	const struct mm_link_handler handler = {
	    archive_answers, archive_gone, a};

	(void)instance;
	mm_link_free(a->archive);
	mm_reading_lost(a);
	mm_follow_archive_lost(a);
	a->archive = link_to(a, fd, &handler);
	mm_start_publish(a);
	mm_authority_advance(a);
}

static void
link_token(struct mm_authority *a, uint64_t instance, int fd)
{
	const struct mm_link_handler handler = {token_answers, token_gone, a};

	(void)instance;
	if (a->token != NULL) {
		mm_link_free(a->token);
		mm_follow_lost(a);
		mm_signing_token_down(a);
	}
	a->token = link_to(a, fd, &handler);
	if (a->token != NULL)
		mm_follow_begin(a);
}

static const struct {
	uint64_t process;
	void (*link)(struct mm_authority *, uint64_t, int);
} peers[] = {
    {MM_GATE, link_gate},
    {MM_NOTARY, link_notary},
    {MM_ARCHIVE, link_archive},
    {MM_TOKEN, link_token},
};

/* --- the supervisor's word --- */

static void
take_link(struct mm_authority *a, struct mm_received *message)
{
	struct mm_control_link link;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 4096);
	error = mm_shape_decode(
	    &mm_control_link_shape, message->packet.body, &arena, &link);
	if (error == MM_OK && message->fds[0] < 0)
		error = mm_fail(MM_E_PEER, "a link without a descriptor");
	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	for (size_t i = 0; i < MM_COUNT(peers); i++)
		if (peers[i].process == link.process)
			peers[i].link(
			    a, link.instance, mm_take_fd(message->fds[0]));
}

static void
take_tls(struct mm_authority *a, struct mm_received *message)
{
	struct mm_control_tls tls;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 8192);
	error = mm_shape_decode(
	    &mm_control_tls_shape, message->packet.body, &arena, &tls);
	mm_buffer_reset(&a->tls_spki);
	if (error == MM_OK) {
		mm_buffer_add(&a->tls_spki, tls.spki.data, tls.spki.size);
		error = a->tls_spki.error;
	}
	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	a->server_due = ev_now(a->loop);
	mm_authority_advance(a);
}

/* What is with the token is waited for, and then the archive, which publishes
 * it; nothing new is decided. */
static void
take_stop(struct mm_authority *a)
{
	struct mm_job *job;

	a->stopping = true;
	a->stop_deadline = ev_now(a->loop) + DRAIN;
	a->server_due = 0;
	while ((job = mm_jobs_pop(&a->queue)) != NULL)
		mm_answer_error(a, job, mm_plain(MM_E_STOPPING));
	while ((job = mm_jobs_pop(&a->inspecting)) != NULL)
		mm_answer_error(a, job, mm_plain(MM_E_STOPPING));
	mm_release_stop(a, mm_plain(MM_E_STOPPING));
	mm_authority_advance(a);
}

static void
control_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct mm_authority *a = io->data;
	mm_auto(received) message = {.fds = {-1, -1}};
	enum mm_error error = mm_channel_receive(a->control, &message);

	(void)loop;
	(void)events;
	if (error != MM_OK || message.closed) {
		ev_break(a->loop, EVBREAK_ALL);
		return;
	}
	if (message.packet.type == MM_CONTROL_LINK)
		take_link(a, &message);
	else if (message.packet.type == MM_CONTROL_TLS)
		take_tls(a, &message);
	else if (message.packet.type == MM_CONTROL_STOP)
		take_stop(a);
}

static void
tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct mm_authority *a = timer->data;

	(void)loop;
	(void)events;
	mm_signing_tick(a);
	mm_reading_tick(a);
	mm_batch_tick(a);
	mm_follow_tick(a);
	mm_crl_tick(a);
	mm_uploads_tick(a);
	mm_release_tick(a);
	mm_images_tick(a);
	mm_start_watch(a);
	mm_authority_advance(a);
}

/* --- the whole --- */

static enum mm_error
authority_open(struct mm_authority *a)
{
	char directory[4096];
	enum mm_error error;

	mm_span_string(
	    a->configure->settings.index, directory, sizeof(directory));
	mm_buffer_init(&a->note, MM_NOTE_MAX);
	mm_buffer_init(&a->tls_spki, MM_SPKI_MAX);
	mm_buffer_init(&a->server, MM_CERTIFICATE_MAX);
	mm_arena_init(&a->policy_arena, MM_POLICY_ARENA);
	mm_jobs_init(&a->queue);
	mm_jobs_init(&a->inspecting);
	a->images.directory = -1;
	a->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (a->loop == NULL)
		return mm_fail(
		    MM_E_SYSTEM, "no event loop: %s", strerror(errno));
	error = mm_images_open(a);
	return error == MM_OK ? mm_index_open(directory, a->configure->rebuild,
				    &a->index)
			      : error;
}

static void
authority_close(struct mm_authority *a)
{
	struct mm_job *job;

	while ((job = mm_jobs_pop(&a->queue)) != NULL)
		mm_job_free(job);
	while ((job = mm_jobs_pop(&a->inspecting)) != NULL)
		mm_job_free(job);
	a->stopping = true;
	mm_release_clear(a);
	mm_batch_clear(a);
	mm_signing_clear(a);
	mm_reading_clear(a);
	mm_follow_clear(a);
	mm_blob_clear(a);
	mm_ceremony_clear(a);
	mm_heritage_clear(a);
	mm_crl_clear(a);
	mm_limits_clear(a);
	mm_uploads_clear(a);
	mm_issuers_clear(a);
	for (size_t i = 0; i < MM_GATES_MAX; i++)
		mm_link_free(a->gates[i]);
	mm_link_free(a->notary);
	mm_link_free(a->archive);
	mm_link_free(a->token);
	/* What an open batch has put in is not committed. */
	mm_index_close(a->index);
	if (a->loop != NULL)
		ev_loop_destroy(a->loop);
	mm_buffer_clear(&a->note);
	mm_buffer_clear(&a->tls_spki);
	mm_buffer_clear(&a->server);
	mm_arena_clear(&a->policy_arena);
	mm_images_close(a);
	free(a);
}

static enum mm_error
serve(struct mm_authority *a)
{
	ev_io_init(&a->control_io, control_readable, a->control, EV_READ);
	a->control_io.data = a;
	ev_io_start(a->loop, &a->control_io);
	ev_timer_init(&a->tick, tick, 1., 1.);
	a->tick.data = a;
	ev_timer_start(a->loop, &a->tick);
	ev_run(a->loop, 0);
	return a->fatal == MM_OK ? MM_OK
				 : mm_fail(a->fatal, "%s", a->fatal_why);
}

enum mm_error
mm_authority_run(const struct mm_configure *configure, int control, int extra)
{
	struct mm_authority *a;
	enum mm_error error;

	if (configure->genesis)
		return mm_authority_genesis(configure, control, extra);
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the authority");
	a->configure = configure;
	a->control = control;
	error = authority_open(a);
	if (error == MM_OK)
		error = mm_sandbox_close(configure);
	if (error == MM_OK)
		error = serve(a);
	authority_close(a);
	return error;
}
