/*
 * Requests to a witness from anybody, whole, and with a checkpoint that the
 * log's key has signed: what is before the first NUL is then the request's
 * head, what is behind it the checkpoint's text. Whatever comes, the witness
 * goes forwards in one history only.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/witness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char directory[128];
	struct mm_vkey vkey;
	uint8_t secret_key[64];
	struct mm_cosigner *cosigner;
	uint64_t now;
} world;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
leave(void)
{
	char command[160];

	mm_cosigner_close(world.cosigner);
	snprintf(command, sizeof(command), "rm -rf '%s'", world.directory);
	must(system(command) == 0);
}

static void
begin(void)
{
	static const uint8_t seed[32] = {1};
	const char *base = getenv("TMPDIR");
	uint8_t public_key[32];

	snprintf(world.directory, sizeof(world.directory),
	    "%s/mm-fuzz-witness-XXXXXX",
	    base != NULL && strlen(base) < 80 ? base : "/tmp");
	must(sodium_init() >= 0 && mkdtemp(world.directory) != NULL);
	crypto_sign_seed_keypair(public_key, world.secret_key, seed);
	must(mm_vkey_init(&world.vkey, mm_span_text("log.example.com/fuzz"),
		 public_key) == MM_OK);
	must(mm_cosigner_create(world.directory,
		 mm_span_text("witness.example.com/fuzz")) == MM_OK);
	must(mm_cosigner_open(world.directory, &world.cosigner) == MM_OK);
	must(mm_cosigner_follow(world.cosigner, &world.vkey) == MM_OK);
	atexit(leave);
}

/* What it has cosigned is a prefix of what it will; for the fuzzer, who finds
 * no proof, that is what it was shown in the corpus. */
static void
ask(struct mm_span request)
{
	const struct mm_witnessed *log = mm_cosigner_log(world.cosigner, 0);
	struct mm_witnessed before = *log;
	mm_auto(buffer) answer = {0};
	enum mm_witness_status status;

	mm_buffer_init(&answer, MM_NOTE_MAX);
	status = mm_cosigner_add(world.cosigner, request, ++world.now, &answer);
	must(answer.error == MM_OK && answer.size > 1 &&
	     answer.data[answer.size - 1] == '\n');
	log = mm_cosigner_log(world.cosigner, 0);
	if (status != MM_WITNESS_OK)
		must(memcmp(&before, log, sizeof(before)) == 0);
	must(log->newest.size >= before.newest.size);
	if (log->newest.size == before.newest.size)
		must(mm_hash_equal(&log->newest.root, &before.newest.root));
	if (status == MM_WITNESS_OK)
		must(log->time == world.now);
}

static void
ask_signed(struct mm_span head, struct mm_span text)
{
	uint8_t line[4 + 64];
	mm_auto(buffer) request = {0};

	mm_buffer_init(&request, 2 * MM_COSIGN_REQUEST_MAX);
	memcpy(line, world.vkey.id, 4);
	crypto_sign_detached(
	    line + 4, NULL, text.data, text.size, world.secret_key);
	mm_buffer_add(&request, head.data, head.size);
	mm_buffer_add(&request, text.data, text.size);
	mm_buffer_printf(&request, "\n\xe2\x80\x94 %s ", world.vkey.name);
	mm_base64_write(mm_span(line, sizeof(line)), &request);
	mm_buffer_add_text(&request, "\n");
	if (request.error == MM_OK)
		ask(mm_buffer_span(&request));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul;

	if (world.cosigner == NULL)
		begin();
	nul = size > 0 ? memchr(data, 0, size) : NULL;
	if (nul == NULL)
		ask(mm_span(data, size));
	else
		ask_signed(mm_span(data, (size_t)(nul - data)),
		    mm_span(nul + 1, size - (size_t)(nul - data) - 1));
	return 0;
}
