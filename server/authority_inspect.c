/*
 * Inspectors: one process an image, at most a few at a time.
 */
#include "server/answering.h"
#include "server/releasing.h"

#include <unistd.h>

enum {
	AT_WORK_MAX = 4, /* the supervisor starts no more than 8 */
	WAITING_MAX = 64 /* each holds a descriptor or two */
};

struct mm_inspection {
	struct mm_inspection *next;
	struct mm_authority *a;
	struct mm_inspecting what;
	struct mm_link *link; /* NULL: its turn has not come */
};

static void
inspection_free(struct mm_inspection *one)
{
	struct mm_inspection **place = &one->a->inspections;

	while (*place != NULL && *place != one)
		place = &(*place)->next;
	if (*place == one)
		*place = one->next;
	mm_link_free(one->link);
	if (one->what.image >= 0)
		close(one->what.image);
	if (one->what.copy >= 0)
		close(one->what.copy);
	free(one);
}

static void start_next(struct mm_authority *a);

static void
finish(struct mm_inspection *one, enum mm_error error, struct mm_span body)
{
	const struct mm_inspecting what = one->what;
	struct mm_authority *a = one->a;

	inspection_free(one);
	what.done(what.of, error, body);
	start_next(a);
}

static void
answered(void *self, struct mm_link *link, struct mm_received *message)
{
	const struct mm_packet *packet = &message->packet;
	enum mm_error error = mm_error_from(packet->error);

	(void)link;
	if (packet->error != 0)
		mm_fail(error, "%.*s", MM_SPAN(packet->why));
	finish(self, error, packet->body);
}

static void
gone(void *self, struct mm_link *link)
{
	struct mm_inspection *one = self;

	(void)link;
	one->link = NULL;
	finish(one, mm_fail(MM_E_INSPECTOR, "the image could not be inspected"),
	    mm_span(NULL, 0));
}

/* The supervisor is to start one, with the image and our channel. */
static enum mm_error
order_one(struct mm_authority *a, int image, int channel)
{
	mm_auto(buffer) packet = {0};
	enum mm_error error;

	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	error = mm_packet_encode(MM_CONTROL_INSPECT, 0, NULL, NULL, &packet);
	return error == MM_OK
		   ? mm_channel_send_bytes(a->control, mm_buffer_span(&packet),
			 (const int[]){image, channel})
		   : error;
}

static enum mm_error
start(struct mm_inspection *one)
{
	const struct mm_link_handler handler = {answered, gone, one};
	const int copy[MM_CHANNEL_FDS] = {one->what.copy, -1};
	mm_autoclose int far = -1;
	int ends[2];
	enum mm_error error = mm_channel_pair(ends);

	if (error != MM_OK)
		return error;
	far = ends[1];
	one->link = mm_link_new(one->a->loop, ends[0], &handler);
	if (one->link == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an inspector");
	error = order_one(one->a, one->what.image, far);
	if (error == MM_OK)
		error = mm_link_send(one->link, one->what.call, 1,
		    one->what.shape, one->what.request, copy);
	return error;
}

enum mm_error
mm_inspect_terms(const struct mm_product *product, uint64_t max,
    struct mm_arena *arena, struct mm_inspect_request *out)
{
	size_t count = product->schemes.count;
	struct mm_text_item *items =
	    mm_arena_alloc(arena, count * sizeof(*items));
	struct mm_span as = mm_arena_copy(arena, product->format);

	if (items == NULL || as.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for signings");
	for (size_t i = 0; i < count; i++) {
		items[i].value = mm_arena_copy(
		    arena, mm_list_at(product->schemes, struct mm_text_item, i)
			       ->value);
		if (items[i].value.data == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for signings");
	}
	*out = (struct mm_inspect_request){
	    .max = max, .as = as, .signings = {items, count}};
	return MM_OK;
}

static size_t
count_at_work(const struct mm_authority *a, size_t *waiting)
{
	size_t count = 0;

	*waiting = 0;
	for (const struct mm_inspection *i = a->inspections; i != NULL;
	     i = i->next) {
		count += i->link != NULL;
		*waiting += i->link == NULL;
	}
	return count;
}

/* In the order of their coming. */
static void
start_next(struct mm_authority *a)
{
	struct mm_inspection *next = a->inspections;
	size_t waiting;
	enum mm_error error;

	if (a->stopping || count_at_work(a, &waiting) >= AT_WORK_MAX ||
	    waiting == 0)
		return;
	while (next->link != NULL)
		next = next->next;
	error = start(next);
	if (error != MM_OK)
		finish(next, error, mm_span(NULL, 0));
}

static void
drop(const struct mm_inspecting *what)
{
	if (what->image >= 0)
		close(what->image);
	if (what->copy >= 0)
		close(what->copy);
}

enum mm_error
mm_inspect_begin(struct mm_authority *a, const struct mm_inspecting *what,
    struct mm_inspection **out)
{
	struct mm_inspection **last = &a->inspections;
	struct mm_inspection *one;
	size_t waiting, at_work = count_at_work(a, &waiting);
	enum mm_error error = MM_OK;

	one = waiting < WAITING_MAX ? calloc(1, sizeof(*one)) : NULL;
	if (one == NULL) {
		drop(what);
		return mm_fail(
		    MM_E_BUSY, "%zu images wait to be inspected", waiting);
	}
	one->a = a;
	one->what = *what;
	while (*last != NULL)
		last = &(*last)->next;
	*last = one;
	if (at_work < AT_WORK_MAX)
		error = start(one);
	if (error != MM_OK) {
		inspection_free(one);
		return error;
	}
	*out = one;
	return MM_OK;
}

void
mm_inspect_end(struct mm_inspection *inspection)
{
	struct mm_authority *a;

	if (inspection == NULL)
		return;
	a = inspection->a;
	inspection_free(inspection);
	start_next(a);
}

enum mm_error
mm_inspect_read(
    struct mm_span body, struct mm_arena *arena, struct mm_inspect_answer *out)
{
	struct mm_span copy = mm_arena_copy(arena, body);

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an image's facts");
	return mm_shape_decode(&mm_inspect_answer_shape, copy, arena, out);
}

void
mm_inspect_answered(struct mm_job *job, enum mm_error error,
    struct mm_span body, enum mm_error (*take)(const struct mm_job *job))
{
	struct mm_authority *a = job->authority;

	job->inspection = NULL;
	mm_jobs_remove(&a->inspecting, job);
	if (error == MM_OK)
		error = mm_inspect_read(body, &job->arena, &job->inspected);
	if (error == MM_OK && take != NULL)
		error = take(job);
	if (error != MM_OK) {
		mm_answer_refusal(a, job, error);
		return;
	}
	mm_jobs_push(&a->queue, job);
	mm_batch_step(a);
}
