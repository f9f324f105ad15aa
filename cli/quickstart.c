/*
 * mintmark quickstart: a complete small mint on SoftHSM in one directory. It
 * makes a token, an officer's key, one TLS key of each role and the genesis
 * file; mintmarkd makes everything else, and what it made is read from the
 * log.
 */
#include "cli/command.h"

#include <errno.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ca/certificate.h"
#include "cli/daemon.h"
#include "cli/harvest.h"
#include "cli/identity.h"
#include "cli/json_value.h"
#include "cli/officer.h"
#include "cli/policy_text.h"
#include "cli/quickstart_keys.h"
#include "cli/values.h"
#include "hsm/pkcs11.h"
#include "policy/document.h"
#include "protocol/genesis.h"

enum {
	PIN_SIZE = 33, /* 32 hex digits and NUL */
	DIR_MAX = 3072,
	UNITS = 1000,
	UNITS_MAX = 10000000,
	OFFICER_MAX = 256, /* the text of one; compiling judges the whole */
	YEAR = 365 * 86400
};

static const char module_path[] = "/usr/lib/softhsm/libsofthsm2.so";

static const struct {
	const char *name;
	uint64_t role;
} identities[] = {
    {"station", MM_ROLE_STATION},
    {"release", MM_ROLE_RELEASE},
    {"auditor", MM_ROLE_AUDITOR},
    {"officer", MM_ROLE_OFFICER},
};

static const struct {
	const char *name;
	uint64_t use;
	const char *issuer, *profile, *subject;
} keys[] = {
    {"root", MM_KEY_ROOT_CA, "root", "root-ca", "Example Root CA"},
    {"access-ca", MM_KEY_ACCESS_CA, "access-ca", "access-ca",
	"Example Access CA"},
    {"device-ca", MM_KEY_DEVICE_CA, "root", "device-ca", "Example Device CA"},
    {"codesign", MM_KEY_CODE_SIGNING, "root", "codesign",
	"Example Code Signing"},
};

static const char *const directories[] = {"", "state", "anchor", "log-key",
    "log", "index", "record", "token", "token/tokens", "identities", "officer",
    "public"};

struct quickstart {
	const struct mm_invocation *invocation;
	char dir[DIR_MAX];
	char origin[MM_ORIGIN_MAX + 1], serial[17];
	const char *listen;
	uint64_t units;
	bool self_signed;
	struct mm_quickstart_keys more; /* without certificates */
	struct mm_officer_key *officer;
	struct mm_arena arena;
	struct mm_buffer policy, text;
	struct mm_span profile; /* of the order; in the arena */
	struct mm_span spki[MM_COUNT(identities)];
};

static const char *
path_in(const struct quickstart *q, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", q->dir, name);
	return out;
}

static enum mm_error
write_text(const struct quickstart *q, const char *name, unsigned mode,
    const struct mm_buffer *text)
{
	char path[PATH_MAX];

	if (text->error != MM_OK)
		return mm_fail(text->error, "%s is too long", name);
	return mm_file_write(
	    path_in(q, name, path), mm_buffer_span(text), mode, false);
}

/* The directory must be new or empty: nothing is ever overwritten here. */
static enum mm_error
make_directories(struct quickstart *q)
{
	const char *wanted = mm_option(q->invocation, "dir");
	char path[PATH_MAX];

	if (mkdir(wanted, 0700) < 0 && errno == EEXIST &&
	    (rmdir(wanted) < 0 || mkdir(wanted, 0700) < 0))
		return mm_fail(MM_E_EXISTS,
		    "%s exists and is not an empty directory; name one that "
		    "does not exist",
		    wanted);
	if (realpath(wanted, path) == NULL)
		return mm_fail(
		    MM_E_FILE, "cannot make %s: %s", wanted, strerror(errno));
	if (strlen(path) >= sizeof(q->dir) || strpbrk(path, "\"\\$") != NULL) {
		rmdir(wanted);
		return mm_fail(MM_E_FILE,
		    "the path %s is too long, or holds what cannot stand in "
		    "appliance.conf: \" \\ $",
		    path);
	}
	mm_span_string(mm_span_text(path), q->dir, sizeof(q->dir));
	for (size_t i = 1; i < MM_COUNT(directories); i++)
		if (mkdir(path_in(q, directories[i], path), 0700) < 0)
			return mm_fail(MM_E_FILE, "cannot make %s: %s", path,
			    strerror(errno));
	return MM_OK;
}

static void
make_pin(char pin[PIN_SIZE])
{
	uint8_t *random = sodium_malloc((PIN_SIZE - 1) / 2);

	if (random == NULL)
		abort();
	randombytes_buf(random, (PIN_SIZE - 1) / 2);
	sodium_bin2hex(pin, PIN_SIZE, random, (PIN_SIZE - 1) / 2);
	sodium_free(random);
}

static enum mm_error
write_pin(const struct quickstart *q, char pin[PIN_SIZE])
{
	char path[PATH_MAX];
	enum mm_error error;

	pin[PIN_SIZE - 1] = '\n';
	error = mm_file_write(
	    path_in(q, "token/pin", path), mm_span(pin, PIN_SIZE), 0600, false);
	pin[PIN_SIZE - 1] = '\0';
	return error;
}

static enum mm_error
make_token(struct quickstart *q)
{
	mm_auto(buffer) conf = {0};
	char path[PATH_MAX];
	char *so_pin = sodium_malloc(PIN_SIZE);
	char *pin = sodium_malloc(PIN_SIZE);
	enum mm_error error;

	mm_buffer_init(&conf, 8192);
	mm_buffer_printf(&conf,
	    "directories.tokendir = %s\n"
	    "objectstore.backend = file\n"
	    "log.level = ERROR\n"
	    "slots.removable = false\n",
	    path_in(q, "token/tokens", path));
	error = so_pin == NULL || pin == NULL
		    ? mm_fail(MM_E_MEMORY, "no memory for a PIN")
		    : write_text(q, "token/softhsm2.conf", 0600, &conf);
	if (error == MM_OK) {
		make_pin(so_pin);
		make_pin(pin);
		setenv("SOFTHSM2_CONF", path_in(q, "token/softhsm2.conf", path),
		    1);
		error = write_pin(q, pin);
	}
	if (error == MM_OK)
		error = mm_pkcs11_init_token(
		    module_path, "mintmark", so_pin, pin, q->serial);
	sodium_free(so_pin);
	sodium_free(pin);
	return error;
}

static enum mm_error
make_officer(struct quickstart *q)
{
	char path[PATH_MAX];

	q->officer = mm_officer_new();
	if (q->officer == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	return mm_officer_write(
	    q->officer, NULL, path_in(q, "officer/officer.key", path));
}

/* The policy's text without an officer: conf/policy.conf, or one's own. */
static enum mm_error
begin_policy(struct quickstart *q)
{
	const char *own = mm_option(q->invocation, "policy");
	struct mm_span text = mm_policy_text();
	mm_auto(buffer) file = {0};
	enum mm_error error = MM_OK;

	if (own != NULL) {
		error = mm_file_read(own, MM_POLICY_TEXT_MAX, &file);
		text = mm_buffer_span(&file);
	}
	mm_buffer_add(&q->text, text.data, text.size);
	return error;
}

/* What the order and the station are for: "device", as in conf/policy.conf,
 * or else the first of a policy's profiles for devices. */
static enum mm_error
choose_profile(struct quickstart *q)
{
	const struct mm_profile *chosen = NULL;
	struct mm_policy policy;
	enum mm_error error =
	    mm_policy_decode(mm_buffer_span(&q->policy), &q->arena, &policy);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_profile, one, policy.profiles))
		if (one->purpose == MM_PURPOSE_DEVICE &&
		    (chosen == NULL || mm_span_is(one->name, "device")))
			chosen = one;
	if (chosen == NULL)
		return mm_fail(MM_E_POLICY,
		    "%s has no profile of purpose device, so that the first "
		    "order would be for nothing: add one, as conf/policy.conf "
		    "has it",
		    mm_option(q->invocation, "policy"));
	q->profile = chosen->name;
	return MM_OK;
}

/* A partition table that one's own text names lies beside that one. */
static enum mm_error
compile_policy(struct quickstart *q, const char *path)
{
	const char *own = mm_option(q->invocation, "policy");
	char directory[PATH_MAX];

	if (own == NULL)
		return mm_policy_compile(path, &q->policy);
	snprintf(directory, sizeof(directory), "%s", own);
	return mm_policy_compile_beside(path, dirname(directory), &q->policy);
}

/* And the one officer at its end. */
static enum mm_error
make_policy(struct quickstart *q)
{
	char key[65], path[PATH_MAX];
	enum mm_error error = begin_policy(q);

	if (error != MM_OK)
		return error;
	sodium_bin2hex(key, sizeof(key), q->officer->public_key, 32);
	mm_buffer_printf(
	    &q->text, "\nofficer \"first\" {\n\tkey = \"%s\"\n}\n", key);
	error = write_text(q, "policy.conf", 0644, &q->text);
	if (error == MM_OK)
		error = compile_policy(q, path_in(q, "policy.conf", path));
	return error == MM_OK ? choose_profile(q) : error;
}

static enum mm_error
make_settings(const struct quickstart *q)
{
	mm_auto(buffer) conf = {0};

	mm_buffer_init(&conf, 16384);
	mm_buffer_printf(&conf,
	    "# Made by mintmark quickstart; conf/appliance.conf of the\n"
	    "# sources says what else may stand here.\n"
	    "listen = {\"%s\"}\n"
	    "state = \"state\"\n"
	    "anchor = \"anchor\"\n"
	    "log-key = \"log-key\"\n"
	    "tiles = \"log\"\n"
	    "index = \"index\"\n"
	    "token {\n"
	    "\tmodule = \"%s\"\n"
	    "\turi = \"pkcs11:token=mintmark;serial=%s\"\n"
	    "\tpin-file = \"token/pin\"\n"
	    "\trecord = \"record\"\n"
	    "\tenvironment = {\"SOFTHSM2_CONF=%s/token/softhsm2.conf\"}\n"
	    "\tpaths = {\"%s/token\"}\n"
	    "}\n",
	    q->listen, module_path, q->serial, q->dir, q->dir);
	return write_text(q, "appliance.conf", 0644, &conf);
}

static enum mm_error
keep(struct quickstart *q, const struct mm_buffer *bytes, struct mm_span *out)
{
	*out = mm_arena_copy(&q->arena, mm_buffer_span(bytes));
	return out->data != NULL ? MM_OK
				 : mm_fail(MM_E_MEMORY,
				       "no memory for what the genesis needs");
}

/* Signs a statement; its one-element list lies in the arena. */
static enum mm_error
state(
    struct quickstart *q, uint64_t kind, const void *body, struct mm_list *out)
{
	mm_auto(buffer) statement = {0};
	struct mm_bytes_item *item = mm_arena_alloc(&q->arena, sizeof(*item));
	enum mm_error error;

	if (item == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a statement");
	mm_buffer_init(&statement, MM_STATEMENT_MAX);
	error = mm_officer_state(
	    q->officer, mm_span_text(q->origin), kind, body, 0, &statement);
	if (error != MM_OK)
		return error;
	*out = (struct mm_list){item, 1};
	return keep(q, &statement, &item->value);
}

static enum mm_error
state_ceremony(struct quickstart *q, struct mm_list *out)
{
	struct mm_ceremony_key named[MM_COUNT(keys) + MM_QUICKSTART_KEYS];
	struct mm_ceremony_certificate wanted[MM_COUNT(keys)];
	struct mm_ceremony_claim claim = {
	    .keys = {named, MM_COUNT(keys) + q->more.count},
	    .certificates = {wanted, MM_COUNT(keys)}};

	mm_policy_digest(mm_buffer_span(&q->policy), claim.policy);
	for (size_t i = 0; i < MM_COUNT(keys); i++) {
		const char *issuer = keys[i].issuer;

		if (q->self_signed && keys[i].use == MM_KEY_CODE_SIGNING)
			issuer = keys[i].name;
		named[i] = (struct mm_ceremony_key){
		    .name = mm_span_text(keys[i].name), .use = keys[i].use};
		wanted[i] = (struct mm_ceremony_certificate){
		    .key = mm_span_text(keys[i].name),
		    .issuer = mm_span_text(issuer),
		    .profile = mm_span_text(keys[i].profile),
		    .subject = mm_span_text(keys[i].subject)};
	}
	for (size_t i = 0; i < q->more.count; i++)
		named[MM_COUNT(keys) + i] = q->more.items[i];
	return state(q, MM_STATEMENT_CEREMONY, &claim, out);
}

/* A TLS key in identities/NAME and a statement that registers it. */
static enum mm_error
make_principal(struct quickstart *q, size_t i, struct mm_genesis_principal *out)
{
	struct mm_text_item device = {q->profile};
	struct mm_principal_claim claim = {
	    .name = mm_span_text(identities[i].name),
	    .role = identities[i].role};
	char name[64], path[PATH_MAX];
	mm_auto(buffer) spki = {0};
	enum mm_error error;

	mm_buffer_init(&spki, MM_SPKI_MAX);
	snprintf(name, sizeof(name), "identities/%s", identities[i].name);
	error = mm_identity_key(path_in(q, name, path), &spki);
	if (error == MM_OK)
		error = keep(q, &spki, &q->spki[i]);
	if (error != MM_OK)
		return error;
	out->spki = q->spki[i];
	crypto_hash_sha256(claim.key, out->spki.data, out->spki.size);
	if (claim.role == MM_ROLE_STATION)
		claim.profiles = (struct mm_list){&device, 1};
	return state(q, MM_STATEMENT_PRINCIPAL, &claim, &out->statements);
}

static enum mm_error
state_order(struct quickstart *q, struct mm_list *out)
{
	struct mm_text_item station = {mm_span_text("station")};
	struct mm_order_claim claim = {.name = mm_span_text("quickstart"),
	    .profile = q->profile,
	    .units = q->units,
	    .devices = {.pattern = mm_span_text("*")},
	    .stations = {&station, 1},
	    .until = (uint64_t)time(NULL) + YEAR};

	return state(q, MM_STATEMENT_ORDER, &claim, out);
}

static enum mm_error
write_genesis(struct quickstart *q)
{
	struct mm_genesis_principal principals[MM_COUNT(identities)] = {0};
	struct mm_genesis_order order;
	struct mm_genesis_file file = {.origin = mm_span_text(q->origin),
	    .policy = mm_buffer_span(&q->policy),
	    .text = mm_buffer_span(&q->text),
	    .principals = {principals, MM_COUNT(identities)},
	    .orders = {&order, 1}};
	mm_auto(buffer) bytes = {0};
	enum mm_error error = state_ceremony(q, &file.statements);

	mm_buffer_init(&bytes, 2 * MM_POLICY_TEXT_MAX);
	for (size_t i = 0; i < MM_COUNT(identities) && error == MM_OK; i++)
		error = make_principal(q, i, &principals[i]);
	if (error == MM_OK)
		error = state_order(q, &order.statements);
	if (error == MM_OK)
		error = mm_shape_encode(&mm_genesis_file_shape, &file, &bytes);
	return error == MM_OK ? write_text(q, "genesis.cbor", 0644, &bytes)
			      : error;
}

static enum mm_error
run_genesis(const struct quickstart *q)
{
	char conf[PATH_MAX], file[PATH_MAX];
	enum mm_error error =
	    mm_daemon_genesis(path_in(q, "appliance.conf", conf),
		path_in(q, "genesis.cbor", file));

	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s, and %s is removed again",
				    mm_why(error), q->dir);
}

/*
 * SoftHSM writes its token's file anew, in place, at every login: a process
 * that is killed in that instant leaves a token without keys. What is in its
 * files now stays as it is, so they are made read-only, which SoftHSM takes.
 */
static int
make_read_only(
    const char *path, const struct stat *info, int type, struct FTW *where)
{
	size_t length = strlen(path);
	static const char suffix[] = ".object";

	(void)info;
	(void)where;
	if (type != FTW_F || length < sizeof(suffix) ||
	    strcmp(path + length - (sizeof(suffix) - 1), suffix) != 0)
		return 0;
	return chmod(path, 0400);
}

static enum mm_error
seal_token(const struct quickstart *q)
{
	char path[PATH_MAX];

	if (nftw(path_in(q, "token/tokens", path), make_read_only, 8,
		FTW_PHYS) != 0)
		return mm_fail(MM_E_FILE,
		    "cannot make the token's files read-only: %s",
		    strerror(errno));
	return MM_OK;
}

static enum mm_error
write_public(const struct quickstart *q, const char *name,
    const struct mm_harvested *const *certificates, size_t count)
{
	struct mm_span der[4];
	char path[PATH_MAX];

	for (size_t i = 0; i < count; i++) {
		if (certificates[i] == NULL)
			return mm_fail(MM_E_LOG_WRONG,
			    "the log lacks a certificate for %s", name);
		der[i] = certificates[i]->certificate;
	}
	return mm_output_certificates(
	    q->invocation, path_in(q, name, path), der, count);
}

static enum mm_error
write_identities(
    const struct quickstart *q, const struct mm_harvest *h, const char *vkey)
{
	const struct mm_harvested *access_ca = mm_harvest_named(h, "access-ca");
	char appliance[512];

	snprintf(appliance, sizeof(appliance), "%s localhost", q->listen);
	for (size_t i = 0; i < MM_COUNT(identities); i++) {
		uint8_t key[32];
		char name[64], path[PATH_MAX];
		const struct mm_harvested *own;
		enum mm_error error;

		crypto_hash_sha256(key, q->spki[i].data, q->spki[i].size);
		own = mm_harvest_key(h, key);
		if (own == NULL || access_ca == NULL)
			return mm_fail(MM_E_LOG_WRONG,
			    "the log lacks the certificate of %s",
			    identities[i].name);
		snprintf(
		    name, sizeof(name), "identities/%s", identities[i].name);
		error = mm_identity_write(path_in(q, name, path),
		    &(struct mm_identity_parts){own->certificate,
			access_ca->certificate, appliance, vkey});
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* What the log now holds goes to where people look for it. */
static enum mm_error
write_results(
    struct quickstart *q, const char *vkey_line, const struct mm_harvest *h)
{
	const struct mm_harvested *root = mm_harvest_named(h, "root");
	const struct mm_harvested *chain = mm_harvest_named(h, "device-ca");
	const struct mm_harvested *codesign = mm_harvest_named(h, "codesign");
	const struct mm_harvested *access_ca = mm_harvest_named(h, "access-ca");
	mm_auto(buffer) line = {0};
	enum mm_error error = write_public(q, "public/ca.pem", &root, 1);

	mm_buffer_init(&line, 512);
	mm_buffer_printf(&line, "%s\n", vkey_line);
	if (error == MM_OK)
		error = write_public(q, "public/chain.pem", &chain, 1);
	if (error == MM_OK)
		error = write_public(q, "public/codesign.crt", &codesign, 1);
	if (error == MM_OK)
		error = write_public(q, "public/access-ca.pem", &access_ca, 1);
	if (error == MM_OK)
		error = write_text(q, "public/log.vkey", 0644, &line);
	if (error == MM_OK)
		error = write_identities(q, h, vkey_line);
	return error;
}

/* Keys without certificates, of which nothing else would tell the public
 * halves. */
static enum mm_error
write_signing_key(const struct quickstart *q, const struct mm_genesis_key *key)
{
	char name[MM_NAME_MAX + 32];
	mm_auto(buffer) pem = {0};
	enum mm_error error;

	mm_buffer_init(&pem, 4096);
	snprintf(name, sizeof(name), "public/%.*s.pub.pem", MM_SPAN(key->name));
	error = mm_pem_encode("PUBLIC KEY", key->spki, &pem);
	return error == MM_OK ? write_text(q, name, 0644, &pem) : error;
}

static enum mm_error
write_signing_keys(const struct quickstart *q, const struct mm_genesis *genesis)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_genesis_key, key, genesis->keys))
		for (size_t i = 0; i < q->more.count; i++)
			if (error == MM_OK &&
			    mm_span_equal(q->more.items[i].name, key->name))
				error = write_signing_key(q, key);
	return error;
}

/* The log's key is not known yet: the genesis entry says it. */
static enum mm_error
read_genesis(const struct quickstart *q, struct mm_vkey *vkey)
{
	char path[PATH_MAX];
	mm_auto(buffer) first = {0};
	mm_auto(arena) arena = {0};
	struct mm_genesis genesis;
	struct mm_entry entry;
	enum mm_error error;

	mm_buffer_init(&first, MM_ENTRY_MAX);
	mm_arena_init(&arena, 1 << 20);
	error = mm_harvest_first(path_in(q, "log", path), &first);
	if (error == MM_OK)
		error = mm_entry_decode_as(mm_buffer_span(&first),
		    MM_ENTRY_GENESIS, &arena, &entry, &genesis);
	if (error == MM_OK && !mm_span_is(genesis.origin, q->origin))
		error =
		    mm_fail(MM_E_LOG_WRONG, "the log is not the one just made");
	if (error == MM_OK)
		error = mm_vkey_init(vkey, genesis.origin, genesis.log_key);
	return error == MM_OK ? write_signing_keys(q, &genesis) : error;
}

static enum mm_error
collect(struct quickstart *q)
{
	struct mm_harvest *harvest = calloc(1, sizeof(*harvest));
	char path[PATH_MAX], line[MM_VKEY_MAX];
	struct mm_vkey vkey;
	enum mm_error error = harvest == NULL
				  ? mm_fail(MM_E_MEMORY, "no memory")
				  : read_genesis(q, &vkey);

	if (error == MM_OK)
		error =
		    mm_harvest_read(path_in(q, "log", path), &vkey, harvest);
	if (error == MM_OK) {
		mm_vkey_text(&vkey, line);
		error = write_results(q, line, harvest);
		mm_harvest_clear(harvest);
	}
	free(harvest);
	return error;
}

static enum mm_error
run_steps(struct quickstart *q)
{
	static enum mm_error (*const steps[])(struct quickstart *) = {
	    make_directories, make_officer, make_policy, make_token};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < MM_COUNT(steps) && error == MM_OK; i++)
		error = steps[i](q);
	if (error == MM_OK)
		error = make_settings(q);
	if (error == MM_OK)
		error = write_genesis(q);
	if (error == MM_OK)
		error = run_genesis(q);
	if (error == MM_OK)
		error = seal_token(q);
	if (error == MM_OK)
		error = collect(q);
	return error;
}

static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
	(void)info, (void)type, (void)at;
	remove(path);
	return 0;
}

/* Half a mint is of no use. All that is in the directory was made here. */
static void
remove_all(const struct quickstart *q)
{
	if (q->dir[0] != '\0')
		nftw(q->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum mm_error
check_signing_keys(struct quickstart *q)
{
	enum mm_error error = mm_quickstart_keys_read(
	    mm_option(q->invocation, "signing-key"), &q->more);

	for (size_t i = 0; i < q->more.count && error == MM_OK; i++)
		for (size_t n = 0; n < MM_COUNT(keys); n++)
			if (mm_span_is(q->more.items[i].name, keys[n].name))
				return mm_fail(MM_E_USAGE,
				    "--signing-key: quickstart makes a key "
				    "\"%s\" itself",
				    keys[n].name);
	return error;
}

/* What would be found out only when half of it is made. */
static enum mm_error
check_options(struct quickstart *q)
{
	static const uint8_t any_key[32];
	const char *port = strrchr(q->listen, ':');
	struct mm_vkey vkey;
	enum mm_error error =
	    mm_value_number(q->invocation, "units", 1, UNITS_MAX, &q->units);

	if (error == MM_OK)
		error = check_signing_keys(q);
	if (error != MM_OK)
		return error;
	if (mm_vkey_init(&vkey, mm_span_text(q->origin), any_key) != MM_OK)
		return mm_fail(MM_E_USAGE, "--origin \"%s\": %s", q->origin,
		    mm_why(MM_E_VKEY));
	if (port == NULL || strspn(port + 1, "0123456789") < 1 ||
	    strtoul(port + 1, NULL, 10) == 0)
		return mm_fail(MM_E_USAGE,
		    "--listen is an address and a port like 127.0.0.1:7433 "
		    "or [::1]:7433, not \"%s\"",
		    q->listen);
	return MM_OK;
}

static void
report(const struct quickstart *q)
{
	mm_print(q->invocation,
	    json_pack("{s:s, s:s, s:s, s:s, s:o}", "directory", q->dir,
		"origin", q->origin, "listen", q->listen, "order", "quickstart",
		"profile", mm_json_text(q->profile)));
	if (q->invocation->json)
		return;
	if (!mm_span_is(q->profile, "device"))
		mm_say("The policy has no profile \"device\" for devices: the "
		       "order and the station are for its first one, "
		       "\"%.*s\".",
		    MM_SPAN(q->profile));
	mm_say("Start it:  mintmarkd -c %s/appliance.conf", q->dir);
	mm_say("For trying out: the officer's key officer/officer.key and "
	       "the token's PIN lie unprotected in this directory.");
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct quickstart q = {.invocation = invocation,
	    .listen = mm_option(invocation, "listen"),
	    .units = UNITS,
	    .self_signed =
		mm_option(invocation, "self-signed-codesign") != NULL};
	const char *origin = mm_option(invocation, "origin");
	enum mm_error error;

	if (q.listen == NULL)
		q.listen = "127.0.0.1:7433";
	if (origin != NULL && strlen(origin) > MM_ORIGIN_MAX)
		return mm_fail(MM_E_USAGE, "an origin has at most %d bytes",
		    MM_ORIGIN_MAX);
	if (origin != NULL)
		snprintf(q.origin, sizeof(q.origin), "%s", origin);
	else
		snprintf(q.origin, sizeof(q.origin),
		    "mintmark.example/quickstart-%08x", randombytes_random());
	error = check_options(&q);
	if (error != MM_OK)
		return error;
	mm_arena_init(&q.arena, 1 << 20);
	mm_buffer_init(&q.policy, MM_POLICY_MAX);
	mm_buffer_init(&q.text, MM_POLICY_TEXT_MAX + OFFICER_MAX);
	error = run_steps(&q);
	if (error == MM_OK)
		report(&q);
	else
		remove_all(&q);
	mm_officer_free(q.officer);
	mm_buffer_clear(&q.policy);
	mm_buffer_clear(&q.text);
	mm_arena_clear(&q.arena);
	return error;
}

static const struct mm_cli_option options[] = {
    {"dir", "DIR", "where: a directory that does not exist yet", true},
    {"listen", "HOST:PORT", "where it will answer (127.0.0.1:7433)", false},
    {"units", "N", "devices that the first order is for (1000)", false},
    {"origin", "NAME", "the log's name, for ever (a random one)", false},
    {"policy", "FILE", "the policy's text, without officers (an example)",
	false},
    {"signing-key", "NAME[:RSA-3072],...",
	"more code-signing keys, without certificates (P-256)", false},
    {"self-signed-codesign", NULL, "the code-signing certificate signs itself",
	false},
};

const struct mm_command mm_quickstart_command = {
    .noun = "quickstart",
    .operands = "",
    .summary = "a complete small mint on SoftHSM",
    .results = "directory, origin, listen, order, profile",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
