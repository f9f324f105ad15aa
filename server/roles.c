#include "server/roles.h"

#include <limits.h>
#include <stdio.h>
#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>

#include <openssl/crypto.h>

#include "ca/ecdsa.h"
#include "hsm/token.h"
#include "log/archive.h"
#include "log/notary.h"
#include "protocol/journal.h"
#include "server/role.h"
#include "server/sandbox.h"
#include "server/spawn.h"
#include "signer/inspector.h"

enum { CONFIGURE_ARENA = 1 << 20 };

static const char *
path_of(struct mm_span path, char out[PATH_MAX])
{
	return mm_span_string(path, out, PATH_MAX);
}

/* The filter closes, and nothing but calls comes in from here on. */
static enum mm_error
serve(const struct mm_configure *configure, const struct mm_service *service,
    int control)
{
	enum mm_error error = mm_sandbox_close(configure);

	return error != MM_OK ? error : mm_service_run(service, control);
}

static enum mm_error
run_notary(const struct mm_configure *configure, int control, int extra)
{
	const struct mm_settings *settings = &configure->settings;
	char state[PATH_MAX], anchor[PATH_MAX], key[PATH_MAX];
	const struct mm_notary_options options = {
	    .state = path_of(settings->state, state),
	    .anchor = path_of(settings->anchor, anchor),
	    .key = path_of(settings->log_key, key),
	    .reserve = settings->reserve,
	    .genesis = configure->genesis};
	struct mm_service service;
	struct mm_notary *notary;
	enum mm_error error = mm_notary_open(&options, &notary);

	(void)extra;
	if (error != MM_OK)
		return error;
	service = mm_notary_service(notary);
	error = serve(configure, &service, control);
	mm_notary_close(notary);
	return error;
}

static enum mm_error
run_archive(const struct mm_configure *configure, int control, int extra)
{
	const struct mm_settings *settings = &configure->settings;
	char state[PATH_MAX], tiles[PATH_MAX];
	const struct mm_archive_options options = {
	    .state = path_of(settings->state, state),
	    .tiles = path_of(settings->tiles, tiles),
	    .witnesses = settings->witnesses};
	struct mm_service service;
	struct mm_archive *archive;
	enum mm_error error = mm_archive_open(&options, &archive);

	(void)extra;
	if (error != MM_OK)
		return error;
	service = mm_archive_service(archive);
	error = serve(configure, &service, control);
	/* Closing writes the tiles that are due. */
	mm_archive_close(archive);
	return error;
}

static enum mm_error
run_token(const struct mm_configure *configure, int control, int extra)
{
	const struct mm_settings *settings = &configure->settings;
	char module[PATH_MAX], uri[PATH_MAX], pin[PATH_MAX], record[PATH_MAX];
	const struct mm_token_options options = {
	    .module = path_of(settings->token_module, module),
	    .uri = path_of(settings->token_uri, uri),
	    .pin_file = path_of(settings->token_pin_file, pin),
	    .pin_fd = extra,
	    .record = record,
	    .genesis = configure->genesis};
	struct mm_service service;
	struct mm_token *token;
	enum mm_error error;

	snprintf(record, sizeof(record), "%.*s/record",
	    MM_SPAN(settings->token_state));
	error = mm_token_open(&options, &token);
	if (error != MM_OK)
		return error;
	service = mm_token_service(token);
	/* No close: the process ends, and the module with it. */
	return serve(configure, &service, control);
}

/*
 * What a library does at its first use is done before the filter: a file is
 * read, and a signature that is none is verified by the curve's base point,
 * a key as good as any (SEC 2 2.4.2).
 */
static enum mm_error
warm_up(void)
{
	static const char x[] = "6b17d1f2e12c4247f8bce6e563a440f2"
				"77037d812deb33a0f4a13945d898c296";
	static const char y[] = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e16"
				"2bce33576b315ececbb6406837bf51f5";
	static const uint8_t signature[] = {0x30, 6, 2, 1, 1, 2, 1, 1};
	static const uint8_t digest[32];
	uint8_t point[2][32];
	struct mm_public_key key;
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 1 << 16);
	(void)sodium_hex2bin(point[0], 32, x, sizeof(x) - 1, NULL, NULL, NULL);
	(void)sodium_hex2bin(point[1], 32, y, sizeof(y) - 1, NULL, NULL, NULL);
	error =
	    mm_image_read(mm_span_text("x"), mm_span(NULL, 0), &arena, &facts);
	if (error == MM_OK)
		error = mm_public_key_point(
		    MM_ALGORITHM_P256, point[0], point[1], &key);
	if (error == MM_OK &&
	    mm_public_key_verify(&key, mm_span(digest, sizeof(digest)),
		mm_span(signature, sizeof(signature))) == MM_OK)
		error = mm_fail(MM_E_BUG, "what is no signature holds");
	return error;
}

/* What one image needs is in one message. */
static enum mm_error
run_inspector(const struct mm_configure *configure, int control, int extra)
{
	mm_auto(received) message = {.fds = {-1, -1}};
	enum mm_error error = mm_channel_receive(control, &message);

	(void)extra;
	if (error != MM_OK)
		return error;
	if (message.closed || message.packet.type != MM_CONTROL_INSPECT ||
	    message.fds[0] < 0 || message.fds[1] < 0)
		return mm_fail(MM_E_PEER, "no image came");
	error = warm_up();
	if (error == MM_OK)
		error = mm_sandbox_close(configure);
	if (error != MM_OK)
		return error;
	return mm_inspector_run(message.fds[0], message.fds[1]);
}

static enum mm_error (*const runs[MM_PROCESSES])(
    const struct mm_configure *configure, int control, int extra) = {
    [MM_GATE] = mm_gate_run,
    [MM_AUTHORITY] = mm_authority_run,
    [MM_NOTARY] = run_notary,
    [MM_TOKEN] = run_token,
    [MM_ARCHIVE] = run_archive,
    [MM_INSPECTOR] = run_inspector,
};

/* The first message says who we are; it must be who we were called. */
static enum mm_error
receive_configuration(const char *name, struct mm_received *message,
    struct mm_arena *arena, struct mm_configure *out)
{
	const char *configured;
	enum mm_error error = mm_channel_receive(MM_CONTROL_FD, message);

	if (error == MM_OK &&
	    (message->closed || message->packet.type != MM_CONTROL_CONFIGURE))
		error = mm_fail(MM_E_PEER, "no configuration came");
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_configure_shape, message->packet.body, arena, out);
	if (error != MM_OK)
		return error;
	configured = mm_process_name(out->process);
	if (configured == NULL || strcmp(name, configured) != 0 ||
	    runs[out->process] == NULL)
		return mm_fail(MM_E_PEER, "%s is not to run here", name);
	return MM_OK;
}

static enum mm_error
run(const char *name)
{
	mm_auto(received) message = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};
	struct mm_configure configure;
	enum mm_error error;

	mm_arena_init(&arena, CONFIGURE_ARENA);
	error = receive_configuration(name, &message, &arena, &configure);
	if (error == MM_OK)
		error = mm_sandbox_begin(&configure);
	/* OpenSSL is not to look for a configuration file, now or later. */
	if (error == MM_OK &&
	    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		error = mm_fail(MM_E_SYSTEM, "libcrypto does not start");
	if (error == MM_OK)
		error = mm_ecdsa_begin();
	if (error != MM_OK)
		return error;
	return runs[configure.process](
	    &configure, MM_CONTROL_FD, mm_take_fd(message.fds[0]));
}

static void
tell_last_words(enum mm_error error)
{
	mm_auto(buffer) packet = {0};

	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	/* Where nobody listens, the exit status has to do. */
	if (mm_packet_encode_error(MM_CONTROL_READY, 0, error, &packet) ==
		MM_OK &&
	    mm_channel_send_bytes(
		MM_CONTROL_FD, mm_buffer_span(&packet), NULL) != MM_OK)
		return;
}

_Noreturn void
mm_role_main(const char *name)
{
	enum mm_error error;

	mm_journal_open(name);
	prctl(PR_SET_NAME, name);
	error = run(name);
	if (error == MM_OK)
		_exit(MM_EXIT_YES);
	tell_last_words(error);
	_exit((int)mm_error_exit(error));
}
