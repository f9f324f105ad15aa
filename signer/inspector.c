/*
 * The inspector process: one memfd, one call, one answer. What the image's
 * readers do wrong ends here.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "protocol/sealed.h"
#include "signer/image.h"
#include "signer/scheme.h"

static const struct mm_field request_fields[] = {
    MM_FIELD(mm_inspect_request, 0, scheme, MM_TEXT, 1, 64),
    MM_FIELD(mm_inspect_request, 1, max, MM_UINT, 1, INT64_MAX)};
MM_SHAPE(mm_inspect_request_shape, mm_inspect_request, request_fields);

static const struct mm_field answer_fields[] = {
    MM_NESTED(mm_inspect_answer, 0, facts, &mm_image_facts_shape),
    MM_FIELD(mm_inspect_answer, 1, digest, MM_FIXED, 0, 32)};
MM_SHAPE(mm_inspect_answer_shape, mm_inspect_answer, answer_fields);

struct mapping {
	void *start;
	size_t size;
};

static void
mapping_clear(struct mapping *mapping)
{
	if (mapping->size > 0)
		munmap(mapping->start, mapping->size);
}

static enum mm_error
map(int memfd, uint64_t max, struct mapping *out)
{
	size_t size;
	void *start;

	if (mm_sealed_check(memfd, SIZE_MAX, &size) != MM_OK)
		return mm_fail(
		    MM_E_INSPECTOR, "the image: %s", mm_why(MM_E_PEER));
	if (size > max)
		return mm_fail(MM_E_IMAGE_SIZE,
		    "the image has %zu bytes; %llu are the limit", size,
		    (unsigned long long)max);
	start = mmap(NULL, size, PROT_READ, MAP_SHARED, memfd, 0);
	if (start == MAP_FAILED)
		return mm_fail(MM_E_INSPECTOR, "mmap: %s", strerror(errno));
	*out = (struct mapping){start, size};
	return MM_OK;
}

static enum mm_error
inspect(int memfd, const struct mm_inspect_request *request,
    struct mm_inspect_answer *out)
{
	const struct mm_scheme *scheme = mm_scheme_find(request->scheme);
	__attribute__((cleanup(mapping_clear))) struct mapping mapping = {0};
	struct mm_inspect_answer answer;
	enum mm_error error;

	if (scheme == NULL)
		return mm_fail(MM_E_SCHEME, "there is no scheme %.*s",
		    MM_SPAN(request->scheme));
	error = map(memfd, request->max, &mapping);
	if (error == MM_OK)
		error = mm_image_read(
		    mm_span(mapping.start, mapping.size), &answer.facts);
	if (error == MM_OK)
		error = scheme->digest(mm_span(mapping.start, mapping.size),
		    answer.facts.sha256, answer.digest);
	if (error == MM_OK)
		*out = answer;
	return error;
}

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
serve(int memfd, int channel, const struct mm_packet *packet)
{
	struct mm_inspect_request request;
	struct mm_inspect_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error, sent;

	mm_arena_init(&arena, 4096);
	if (packet->type != MM_INSPECTOR_INSPECT)
		error = mm_fail(MM_E_PEER, "there is no call %llu",
		    (unsigned long long)packet->type);
	else
		error = mm_shape_decode(
		    &mm_inspect_request_shape, packet->body, &arena, &request);
	if (error == MM_OK)
		error = inspect(memfd, &request, &answer);
	if (error == MM_OK)
		return mm_channel_send(channel, packet->type, packet->id,
		    &mm_inspect_answer_shape, &answer);
	sent = answer_error(channel, packet, error);
	return sent != MM_OK ? sent : error;
}

enum mm_error
mm_inspector_run(int memfd, int channel)
{
	mm_auto(received) received = {.fds = {-1, -1}};
	enum mm_error error = mm_channel_receive(channel, &received);

	if (error != MM_OK)
		return error;
	if (received.closed || received.nothing)
		return mm_fail(MM_E_INSPECTOR, "nobody asked about the image");
	return serve(memfd, channel, &received.packet);
}
