/*
 * The inspector process: one image, one call, one answer. What the image's
 * readers do wrong ends here.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "protocol/sealed.h"
#include "protocol/text.h"
#include "signer/inspector_parts.h"

enum { FAULT_MAX = 255 }; /* bytes of mm_text_item */

static const struct mm_field request_fields[] = {
    MM_FIELD(mm_inspect_request, 0, max, MM_UINT, 1, INT64_MAX),
    MM_OPTIONAL(mm_inspect_request, 1, as, MM_TEXT, 1, 64),
    MM_ANY(mm_inspect_request, 2, signings, &mm_text_item_shape,
	MM_INSPECTOR_SIGNINGS),
    MM_FIELD(mm_inspect_request, 3, keep, MM_BOOL, 0, 0)};
MM_SHAPE(mm_inspect_request_shape, mm_inspect_request, request_fields);

static const struct mm_field answer_fields[] = {
    MM_NESTED(mm_inspect_answer, 0, facts, &mm_image_facts_shape),
    MM_ANY(mm_inspect_answer, 1, digests, &mm_hash_item_shape,
	MM_INSPECTOR_SIGNINGS),
    MM_ANY(mm_inspect_answer, 2, faults, &mm_text_item_shape,
	MM_INSPECTOR_SIGNINGS)};
MM_SHAPE(mm_inspect_answer_shape, mm_inspect_answer, answer_fields);

static const struct mm_field signature_fields[] = {
    MM_FIELD(mm_prove_signature, 0, signing, MM_TEXT, 1, MM_SIGNING_MAX),
    MM_FIELD(mm_prove_signature, 1, spki, MM_BYTES, 1, MM_PROVE_SPKI_MAX),
    MM_FIELD(mm_prove_signature, 2, signature, MM_BYTES, 1, MM_SIGNATURE_MAX)};
MM_SHAPE(mm_prove_signature_shape, mm_prove_signature, signature_fields);

static const struct mm_field prove_fields[] = {
    MM_FIELD(mm_prove_image, 0, max, MM_UINT, 1, INT64_MAX),
    MM_OPTIONAL(mm_prove_image, 1, as, MM_TEXT, 1, 64),
    MM_FIELD(mm_prove_image, 2, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_prove_image, 3, resign, MM_UINT, 0, MM_RESIGN_WAYS - 1),
    MM_MANY(mm_prove_image, 4, signatures, &mm_prove_signature_shape, 1,
	MM_INSPECTOR_SIGNINGS)};
MM_SHAPE(mm_prove_image_shape, mm_prove_image, prove_fields);

/* --- the image in memory --- */

static void
clear_mapping(struct mm_mapping *mapping)
{
	if (mapping->whole > 0)
		munmap(mapping->start, mapping->whole);
}

/* By the kernel. MM_E_FILE: errno says why it cannot be written. */
static enum mm_error
copy(int from, size_t size, int to)
{
	off_t at = 0;

	while ((size_t)at < size) {
		ssize_t copied = sendfile(to, from, &at, size - (size_t)at);

		if (copied < 0 && errno == EINTR)
			continue;
		if (copied < 0)
			return MM_E_FILE;
		if (copied == 0)
			return mm_fail(
			    MM_E_INSPECTOR, "the image became shorter");
	}
	return MM_OK;
}

/* A file with a name is the appliance's own copy: a memfd has none, and is of
 * somebody who could change it without its seals. */
static enum mm_error
check_image(int fd, size_t *size, bool *named)
{
	struct stat info;

	if (fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_INSPECTOR, "the image: %s", strerror(errno));
	if (!S_ISREG(info.st_mode))
		return mm_fail(MM_E_INSPECTOR, "the image is no file");
	*named = info.st_nlink > 0;
	if (!*named) {
		if (mm_sealed_check(fd, SIZE_MAX, size) != MM_OK)
			return mm_fail(
			    MM_E_INSPECTOR, "the image: %s", mm_why(MM_E_PEER));
		return MM_OK;
	}
	if (info.st_size <= 0)
		return mm_fail(MM_E_INSPECTOR, "the image is empty");
	*size = (size_t)info.st_size;
	return MM_OK;
}

/* What is read more than once must be the same each time, and a file that
 * becomes shorter would end this process. */
static enum mm_error
own_copy(int fd, size_t size, int *out)
{
	mm_autoclose int own = memfd_create("image", MFD_CLOEXEC);
	enum mm_error error = own < 0 ? MM_E_FILE : copy(fd, size, own);

	if (error == MM_E_FILE)
		return mm_fail(
		    MM_E_INSPECTOR, "a copy of an image: %s", strerror(errno));
	if (error == MM_OK)
		*out = mm_take_fd(own);
	return error;
}

/* The file goes over the start of memory that is longer. */
static enum mm_error
map_file(int fd, size_t size, struct mm_mapping *out)
{
	const int protection = PROT_READ | PROT_WRITE;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole;
	void *start;

	whole = (size + page - 1) / page * page + MM_MAPPING_ROOM;
	start = mmap(NULL, whole, protection,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		return mm_fail(MM_E_INSPECTOR, "mmap: %s", strerror(errno));
	*out = (struct mm_mapping){start, size, whole};
	if (mmap(start, size, protection, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		return mm_fail(MM_E_INSPECTOR, "mmap: %s", strerror(errno));
	return MM_OK;
}

static enum mm_error
map(int fd, uint64_t max, struct mm_mapping *out)
{
	mm_autoclose int own = -1;
	bool named = false;
	size_t size = 0;
	enum mm_error error = check_image(fd, &size, &named);

	if (error != MM_OK)
		return error;
	if (size > max || size > SIZE_MAX / 2)
		return mm_fail(MM_E_IMAGE_SIZE,
		    "the image has %zu bytes; %llu are the limit", size,
		    (unsigned long long)max);
	if (named)
		error = own_copy(fd, size, &own);
	return error == MM_OK ? map_file(named ? own : fd, size, out) : error;
}

/* --- what is asked --- */

/* An image, a call about it, and where the answer is made. */
struct asking {
	int image;
	const struct mm_received *received;
	struct mm_arena arena;
	struct mm_mapping mapping;
	struct mm_inspect_answer answer;
};

/* What another signing has had digested in the same way, or NULL. */
static const struct mm_hash_item *
digested(const struct mm_text_item *signings, size_t count,
    const struct mm_hash_item *digests, const struct mm_scheme *scheme)
{
	struct mm_signing_name other;

	for (size_t i = 0; i < count; i++)
		if (mm_signing_read(signings[i].value, &other) == MM_OK &&
		    other.scheme->digest == scheme->digest)
			return &digests[i];
	return NULL;
}

/* The reason why an image has no digest of a scheme, as the answer has it. */
static struct mm_span
reason(struct mm_arena *arena, enum mm_error error)
{
	char text[FAULT_MAX + 1];

	return mm_arena_copy(
	    arena, mm_span(text, mm_text_clean(mm_span_text(mm_why(error)),
				     text, sizeof(text))));
}

static enum mm_error
digest(struct asking *a, const struct mm_text_item *signings, size_t i,
    struct mm_hash_item *digests, struct mm_text_item *faults)
{
	const struct mm_image image = {
	    mm_span(a->mapping.start, a->mapping.size), &a->answer.facts};
	const struct mm_hash_item *former;
	struct mm_signing_name name = {0};
	enum mm_error error = mm_signing_read(signings[i].value, &name);

	if (error != MM_OK)
		return error;
	faults[i].value = mm_span_text("-");
	former = digested(signings, i, digests, name.scheme);
	if (former != NULL) {
		faults[i] = faults[former - digests];
		digests[i] = *former;
		return MM_OK;
	}
	error = name.scheme->digest(&image, digests[i].value);
	if (error != MM_E_IMAGE)
		return error;
	memset(digests[i].value, 0, sizeof(digests[i].value));
	faults[i].value = reason(&a->arena, error);
	return faults[i].value.data == NULL
		   ? mm_fail(MM_E_MEMORY, "no room for a fault")
		   : MM_OK;
}

static enum mm_error
digest_all(struct asking *a, const struct mm_list *signings)
{
	size_t count = signings->count;
	struct mm_hash_item *digests;
	struct mm_text_item *faults;
	enum mm_error error = MM_OK;

	if (count == 0)
		return MM_OK;
	digests = mm_arena_alloc(&a->arena, count * sizeof(*digests));
	faults = mm_arena_alloc(&a->arena, count * sizeof(*faults));
	if (digests == NULL || faults == NULL)
		return mm_fail(MM_E_MEMORY, "no room for digests");
	for (size_t i = 0; i < count && error == MM_OK; i++)
		error = digest(a, signings->items, i, digests, faults);
	a->answer.digests = (struct mm_list){digests, count};
	a->answer.faults = (struct mm_list){faults, count};
	return error;
}

static enum mm_error
not_kept(void)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return mm_fail(MM_E_DISK_FULL,
		    "the disk is full: the image cannot be kept");
	return mm_fail(
	    MM_E_INSPECTOR, "the image cannot be kept: %s", strerror(errno));
}

/* It is whole on the disk before anybody hears of it. */
static enum mm_error
keep(int image, size_t size, int file)
{
	struct stat info;
	enum mm_error error;

	if (fstat(file, &info) < 0)
		return not_kept();
	if (!S_ISREG(info.st_mode) || info.st_size != 0)
		return mm_fail(
		    MM_E_PEER, "what an image is kept in is no empty file");
	error = copy(image, size, file);
	if (error == MM_E_FILE)
		return not_kept();
	if (error != MM_OK)
		return error;
	return fsync(file) < 0 ? not_kept() : MM_OK;
}

static enum mm_error
inspect(struct asking *a, const void *body)
{
	const struct mm_inspect_request *request = body;
	int file = a->received->fds[0];
	enum mm_error error;

	if (request->keep != (file >= 0))
		return mm_fail(MM_E_PEER, "%s",
		    request->keep ? "no file came to keep the image in"
				  : "a file came that nobody spoke of");
	error = map(a->image, request->max, &a->mapping);
	if (error == MM_OK)
		error =
		    mm_image_read(mm_span(a->mapping.start, a->mapping.size),
			request->as, &a->arena, &a->answer.facts);
	if (error == MM_OK)
		error = digest_all(a, &request->signings);
	if (error == MM_OK && request->keep)
		error = keep(a->image, a->mapping.size, file);
	return error;
}

static enum mm_error
prove(struct asking *a, const void *body)
{
	const struct mm_prove_image *request = body;
	enum mm_error error = map(a->image, request->max, &a->mapping);

	return error == MM_OK
		   ? mm_inspector_prove(&a->mapping, request, &a->arena)
		   : error;
}

static const struct call {
	uint64_t type;
	const struct mm_shape *request;
	const struct mm_shape *answer; /* NULL: has no body */
	enum mm_error (*run)(struct asking *a, const void *request);
} calls[] = {
    {MM_INSPECTOR_INSPECT, &mm_inspect_request_shape, &mm_inspect_answer_shape,
	inspect},
    {MM_INSPECTOR_PROVE, &mm_prove_image_shape, NULL, prove},
};

static enum mm_error
answer_error(int channel, const struct mm_packet *packet, enum mm_error error)
{
	static const int no_fds[MM_CHANNEL_FDS] = {-1, -1};
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, MM_CHANNEL_MAX);
	error = mm_packet_encode_error(packet->type, packet->id, error, &bytes);
	if (error != MM_OK)
		return error;
	return mm_channel_send_bytes(channel, mm_buffer_span(&bytes), no_fds);
}

static enum mm_error
run(struct asking *a, const struct call **call)
{
	const struct mm_packet *packet = &a->received->packet;
	union {
		struct mm_inspect_request inspect;
		struct mm_prove_image prove;
	} request;
	enum mm_error error;

	for (size_t i = 0; i < MM_COUNT(calls); i++)
		if (calls[i].type == packet->type)
			*call = &calls[i];
	if (*call == NULL)
		return mm_fail(MM_E_PEER, "there is no call %llu",
		    (unsigned long long)packet->type);
	error = mm_shape_decode(
	    (*call)->request, packet->body, &a->arena, &request);
	return error == MM_OK ? (*call)->run(a, &request) : error;
}

static void
asking_clear(struct asking *a)
{
	clear_mapping(&a->mapping);
	mm_arena_clear(&a->arena);
}

static enum mm_error
serve(int image, int channel, const struct mm_received *received)
{
	__attribute__((cleanup(asking_clear))) struct asking a = {
	    .image = image, .received = received};
	const struct mm_packet *packet = &received->packet;
	const struct call *call = NULL;
	enum mm_error error, sent;

	/* The request, and an image's facts before and after. */
	mm_arena_init(&a.arena, 4 * MM_FACTS_ARENA);
	error = run(&a, &call);
	if (error == MM_OK)
		return mm_channel_send(channel, packet->type, packet->id,
		    call->answer, call->answer == NULL ? NULL : &a.answer);
	sent = answer_error(channel, packet, error);
	return sent != MM_OK ? sent : error;
}

enum mm_error
mm_inspector_run(int image, int channel)
{
	mm_auto(received) received = {.fds = {-1, -1}};
	enum mm_error error = mm_channel_receive(channel, &received);

	if (error != MM_OK)
		return error;
	if (received.closed || received.nothing)
		return mm_fail(MM_E_INSPECTOR, "nobody asked about the image");
	return serve(image, channel, &received);
}
