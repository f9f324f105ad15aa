#include "policy/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/grammar.h"
#include "protocol/channel.h"

enum {
	FILE_MAX = 65536,
	PATH_SIZE = 4096,
	DAY = 86400,
	KIB = 1024,
	MIB = 1024 * 1024
};

/*
 * What goes to the children; each gets what it needs and nothing in the
 * place of the rest. `users` is for the supervisor alone.
 */
#define PATH(key, member) \
	MM_OPTIONAL(mm_settings, key, member, MM_TEXT, 1, PATH_SIZE)
#define AMOUNT(key, member) \
	MM_OPTIONAL(mm_settings, key, member, MM_UINT, 1, INT64_MAX)
#define TEXTS(key, member) \
	MM_ANY(mm_settings, key, member, &mm_text_item_shape, 64)

static const struct mm_field settings_fields[] = {PATH(0, directory),
    TEXTS(1, listen), AMOUNT(2, gates), PATH(3, state), PATH(4, anchor),
    PATH(5, log_key), PATH(6, tiles), PATH(7, index), PATH(8, token_state),
    PATH(9, token_module), PATH(10, token_uri), PATH(11, token_pin_file),
    TEXTS(12, token_environment), TEXTS(13, token_paths),
    MM_OPTIONAL(mm_settings, 14, token_vendor, MM_BOOL, 0, 1),
    AMOUNT(15, token_deadline), AMOUNT(16, image_max), AMOUNT(17, uploads),
    AMOUNT(18, connections), AMOUNT(19, connections_source),
    AMOUNT(20, handshake_deadline), AMOUNT(21, frame_deadline),
    AMOUNT(22, idle_deadline), AMOUNT(23, reserve), TEXTS(24, witnesses),
    AMOUNT(25, requests_minute), AMOUNT(26, image_room),
    AMOUNT(27, image_days)};
MM_SHAPE(mm_settings_shape, mm_settings, settings_fields);

static bool
all_of(struct mm_span text, const char *letters)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] == 0 || strchr(letters, text.data[i]) == NULL)
			return false;
	return text.size > 0;
}

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool
is_port(const char *text)
{
	unsigned long port;

	if (strlen(text) > 5 || !all_of(mm_span_text(text), DIGITS))
		return false;
	port = strtoul(text, NULL, 10);
	/* 0 is whichever is free; the daemon says which. */
	return port <= 65535 && (text[0] != '0' || strlen(text) == 1);
}

/* An IPv4 address as it is, an IPv6 address in brackets. */
static bool
is_host(const char *host, size_t size)
{
	bool bracketed = size > 2 && host[0] == '[' && host[size - 1] == ']';
	char address[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	if (bracketed) {
		host++;
		size -= 2;
	}
	if (size >= sizeof(address))
		return false;
	memcpy(address, host, size);
	address[size] = '\0';
	return inet_pton(bracketed ? AF_INET6 : AF_INET, address, bytes) == 1;
}

static enum mm_error
read_listen(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	const char *colon = strrchr(value, ':');

	if (colon == NULL || !is_port(colon + 1) ||
	    !is_host(value, (size_t)(colon - value)))
		return mm_fail(MM_E_FORMAT,
		    "\"%s\" is not like \"127.0.0.1:7433\" or \"[::1]:7433\"",
		    value);
	return mm_read_text(key, value, arena, member);
}

/* RFC 7512; the module and the PIN have settings of their own. */
static enum mm_error
read_uri(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	if (strncmp(value, "pkcs11:", 7) != 0)
		return mm_fail(
		    MM_E_FORMAT, "\"%s\" does not begin with pkcs11:", value);
	/* It is not repeated: there may be a PIN in it. */
	if (strstr(value, "pin-value") != NULL ||
	    strstr(value, "pin-source") != NULL)
		return mm_fail(MM_E_FORMAT,
		    "no PIN stands in a URI; say pin-file instead");
	return mm_read_text(key, value, arena, member);
}

static enum mm_error
read_environment(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	const char *equal = strchr(value, '=');

	if (equal == NULL || !all_of(mm_span(value, (size_t)(equal - value)),
				 DIGITS LETTERS "_"))
		return mm_fail(
		    MM_E_FORMAT, "\"%s\" is not like NAME=value", value);
	return mm_read_text(key, value, arena, member);
}

/* Whether the first `size` characters name a process that has a user. */
static bool
is_role(const char *name, size_t size)
{
	for (uint64_t process = MM_GATE; process < MM_PROCESSES; process++)
		if (mm_span_is(mm_span(name, size), mm_process_name(process)))
			return true;
	return false;
}

static enum mm_error
read_user(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	const char *equal = strchr(value, '=');

	if (equal == NULL || equal[1] == '\0' ||
	    !is_role(value, (size_t)(equal - value)))
		return mm_fail(MM_E_FORMAT,
		    "\"%s\" is not like gate=mintmark-gate; the roles are "
		    "gate, authority, notary, token, archive and inspector",
		    value);
	return mm_read_text(key, value, arena, member);
}

/* Without `..`, so that what lies in what can be seen from the text. */
static enum mm_error
read_path(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	for (const char *at = value; (at = strstr(at, "..")) != NULL; at++)
		if ((at == value || at[-1] == '/') &&
		    (at[2] == '\0' || at[2] == '/'))
			return mm_fail(MM_E_FORMAT,
			    "\"%s\" has .. in it; write the path straight",
			    value);
	return mm_read_text(key, value, arena, member);
}

#define AT(m) .offset = offsetof(struct mm_settings, m)
#define ITEMS(lo, hi) \
	.list = true, .item = sizeof(struct mm_text_item), .min = lo, .max = hi
#define PLACE(name, m, given) \
	{ \
		name, read_path, AT(m), .min = 1, .max = 1024, \
					.standard = given \
	}

static const struct mm_grammar_key top_keys[] = {
    {"listen", read_listen, AT(listen), ITEMS(1, 16)},
    {"gates", mm_read_number, AT(gates), .max = 64, .standard = ""},
    PLACE("state", state, NULL), PLACE("anchor", anchor, NULL),
    PLACE("log-key", log_key, NULL), PLACE("tiles", tiles, NULL),
    PLACE("index", index, NULL),
    {"users", read_user, AT(users), ITEMS(0, 6), .standard = ""}};

static const struct mm_grammar_key token_keys[] = {
    PLACE("module", token_module, NULL),
    {"uri", read_uri, AT(token_uri), .min = 8, .max = 1024},
    PLACE("pin-file", token_pin_file, "$CREDENTIALS_DIRECTORY/pin"),
    {"deadline", mm_read_duration, AT(token_deadline), .min = 1, .max = 300,
	.standard = "10s"},
    PLACE("record", token_state, NULL),
    {"environment", read_environment, AT(token_environment), ITEMS(0, 16),
	.standard = ""},
    {"paths", read_path, AT(token_paths), ITEMS(0, 16), .standard = ""},
    {"vendor", mm_read_switch, AT(token_vendor), .standard = "no"}};

#define COUNT(name, m, hi, given) \
	{ \
		name, mm_read_number, AT(m), .min = 1, .max = hi, \
					     .standard = given \
	}
#define DEADLINE(name, m, hi, given) \
	{ \
		name, mm_read_duration, AT(m), .min = 1, .max = hi, \
					       .standard = given \
	}
static const struct mm_grammar_key limit_keys[] = {
    {"image", mm_read_size, AT(image_max), .min = KIB,
	.max = (uint64_t)KIB * MIB, .standard = "16M"},
    {"image-room", mm_read_size, AT(image_room), .min = MIB,
	.max = (uint64_t)MIB * MIB, .standard = "1G"},
    COUNT("image-days", image_days, 3650, "30"),
    COUNT("uploads", uploads, 64, "4"),
    COUNT("connections", connections, 100000, "4096"),
    COUNT("connections-per-source", connections_source, 100000, "512"),
    DEADLINE("handshake", handshake_deadline, 300, "10s"),
    DEADLINE("frame", frame_deadline, 300, "30s"),
    DEADLINE("idle", idle_deadline, DAY, "10m"),
    {"reserve", mm_read_size, AT(reserve), .min = MIB,
	.max = (uint64_t)MIB * MIB * KIB, .standard = "64M"},
    {"requests-a-minute", mm_read_number, AT(requests_minute), .min = 0,
	.max = 1000000, .standard = "600"}};

static const struct mm_grammar_key log_keys[] = {
    {"witness", mm_read_text, AT(witnesses), ITEMS(0, 16), .standard = ""}};

static const struct mm_grammar_section sections[] = {
    {NULL, top_keys, MM_COUNT(top_keys), 0, 0, 0},
    {"token", token_keys, MM_COUNT(token_keys), 0, 0, 0},
    {"log", log_keys, MM_COUNT(log_keys), 0, 0, 0},
    {"limits", limit_keys, MM_COUNT(limit_keys), 0, 0, 0}};

static const struct mm_grammar grammar = {
    MM_E_SETTING, sections, MM_COUNT(sections)};

/* Where the settings may come from: root or ourselves, nobody else. */
static enum mm_error
check_file(const char *path, const struct stat *info)
{
	if (!S_ISREG(info->st_mode))
		return mm_fail(MM_E_SETTING, "%s is not a regular file", path);
	if ((info->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return mm_fail(MM_E_SETTING,
		    "%s may be written by others: chmod go-w it", path);
	if (info->st_uid != 0 && info->st_uid != geteuid())
		return mm_fail(MM_E_SETTING,
		    "%s belongs neither to root nor to this user", path);
	if (info->st_size > FILE_MAX)
		return mm_fail(MM_E_SETTING,
		    "%s has %jd bytes; %d are the limit", path,
		    (intmax_t)info->st_size, FILE_MAX);
	return MM_OK;
}

static enum mm_error
read_all(int fd, struct mm_buffer *out)
{
	for (;;) {
		uint8_t chunk[4096];
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return MM_E_FILE;
		if (got == 0)
			return out->error;
		mm_buffer_add(out, chunk, (size_t)got);
	}
}

/* The descriptor that is checked is the one that is read. */
static enum mm_error
read_file(const char *path, struct mm_buffer *out)
{
	mm_autoclose int fd = open(
	    path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	struct stat info;
	enum mm_error error;

	if (fd < 0 && errno == ELOOP)
		return mm_fail(MM_E_SETTING, "%s is a symbolic link", path);
	if (fd < 0 || fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_SETTING, "cannot read %s: %s", path, strerror(errno));
	error = check_file(path, &info);
	if (error != MM_OK)
		return error;
	error = read_all(fd, out);
	if (error != MM_OK)
		return mm_fail(MM_E_SETTING, "cannot read %s: %s", path,
		    mm_error_text(error));
	return MM_OK;
}

static enum mm_error
find_directory(const char *path, struct mm_arena *arena, struct mm_span *out)
{
	mm_autofree char *whole = realpath(path, NULL);
	size_t size;

	if (whole == NULL)
		return mm_fail(
		    MM_E_SETTING, "cannot find %s: %s", path, strerror(errno));
	size = (size_t)(strrchr(whole, '/') - whole);
	*out = mm_arena_copy(arena, mm_span(whole, size > 0 ? size : 1));
	return out->data != NULL ? MM_OK : MM_E_MEMORY;
}

/* Appends `path` without its empty parts and dots. */
static void
add_parts(struct mm_buffer *out, struct mm_span path)
{
	size_t start = 0;

	for (size_t i = 0; i <= path.size; i++) {
		struct mm_span part;

		if (i < path.size && path.data[i] != '/')
			continue;
		part = mm_span(path.data + start, i - start);
		start = i + 1;
		if (part.size == 0 || mm_span_is(part, "."))
			continue;
		mm_buffer_add(out, "/", 1);
		mm_buffer_add(out, part.data, part.size);
	}
}

static enum mm_error
make_absolute(
    struct mm_span directory, struct mm_arena *arena, struct mm_span *path)
{
	mm_auto(buffer) whole = {0};
	struct mm_span copy;

	mm_buffer_init(&whole, PATH_SIZE - 1);
	if (path->data[0] != '/')
		add_parts(&whole, directory);
	add_parts(&whole, *path);
	if (whole.error != MM_OK || whole.size == 0)
		return mm_fail(MM_E_SETTING, "the path %.*s cannot be used",
		    MM_SPAN(*path));
	copy = mm_arena_copy(arena, mm_buffer_span(&whole));
	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	*path = copy;
	return MM_OK;
}

/* systemd.exec(5): where LoadCredential= has put the PIN. */
static enum mm_error
find_credential(const char *file, struct mm_arena *arena, struct mm_span *path)
{
	static const char variable[] = "$CREDENTIALS_DIRECTORY/";
	const size_t prefix = sizeof(variable) - 1;
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	mm_auto(buffer) whole = {0};

	if (path->size <= prefix || memcmp(path->data, variable, prefix) != 0)
		return MM_OK;
	if (directory == NULL || directory[0] != '/')
		return mm_fail(MM_E_SETTING,
		    "%s: token: pin-file is %.*s, but systemd has given no "
		    "credentials (LoadCredential=pin:...)",
		    file, MM_SPAN(*path));
	mm_buffer_init(&whole, PATH_SIZE - 1);
	mm_buffer_add_text(&whole, directory);
	mm_buffer_add(&whole, path->data + prefix - 1, path->size - prefix + 1);
	if (whole.error != MM_OK)
		return mm_fail(MM_E_SETTING,
		    "%s: the credentials' directory has too long a name", file);
	*path = mm_arena_copy(arena, mm_buffer_span(&whole));
	return path->data != NULL ? MM_OK : MM_E_MEMORY;
}

static enum mm_error
resolve(const char *file, struct mm_arena *arena, struct mm_settings *settings)
{
	struct mm_span *const paths[] = {&settings->state, &settings->anchor,
	    &settings->log_key, &settings->tiles, &settings->index,
	    &settings->token_state, &settings->token_module,
	    &settings->token_pin_file};
	struct mm_text_item *items;
	enum mm_error error =
	    find_credential(file, arena, &settings->token_pin_file);

	for (size_t i = 0; i < MM_COUNT(paths) && error == MM_OK; i++)
		error = make_absolute(settings->directory, arena, paths[i]);
	items =
	    mm_arena_alloc(arena, settings->token_paths.count * sizeof(*items));
	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	for (size_t i = 0; i < settings->token_paths.count && error == MM_OK;
	     i++) {
		items[i] =
		    *mm_list_at(settings->token_paths, struct mm_text_item, i);
		error =
		    make_absolute(settings->directory, arena, &items[i].value);
	}
	settings->token_paths.items = items;
	return error;
}

static bool
lies_in(struct mm_span inner, struct mm_span outer)
{
	return inner.size >= outer.size &&
	       memcmp(inner.data, outer.data, outer.size) == 0 &&
	       (inner.size == outer.size || inner.data[outer.size] == '/');
}

/*
 * Each process may write its own directory only, and the anchor is to
 * outlive a rolled-back state (DESIGN.md section 2): none lies in another.
 */
static enum mm_error
check_apart(const char *file, const struct mm_settings *settings)
{
	const struct {
		const char *name;
		struct mm_span path;
	} places[] = {{"state", settings->state}, {"anchor", settings->anchor},
	    {"log-key", settings->log_key}, {"tiles", settings->tiles},
	    {"index", settings->index}, {"record", settings->token_state}};

	for (size_t i = 0; i < MM_COUNT(places); i++)
		for (size_t j = 0; j < MM_COUNT(places); j++)
			if (i != j && lies_in(places[i].path, places[j].path))
				return mm_fail(MM_E_SETTING,
				    "%s: %s lies in %s; each needs a "
				    "directory of its own",
				    file, places[i].name, places[j].name);
	return MM_OK;
}

/* One user a role. */
static enum mm_error
check_users(const char *file, const struct mm_settings *settings)
{
	const struct mm_text_item *users = settings->users.items;

	for (size_t i = 1; i < settings->users.count; i++)
		for (size_t j = 0; j < i; j++) {
			size_t role =
			    strcspn((const char *)users[i].value.data, "=") + 1;

			if (users[j].value.size > role &&
			    memcmp(users[i].value.data, users[j].value.data,
				role) == 0)
				return mm_fail(MM_E_SETTING,
				    "%s: users: %.*s is the second of its "
				    "role",
				    file, MM_SPAN(users[i].value));
		}
	return MM_OK;
}

enum mm_error
mm_settings_read(
    const char *path, struct mm_arena *arena, struct mm_settings *out)
{
	struct mm_settings settings = {0};
	mm_auto(buffer) text = {0};
	enum mm_error error;

	mm_buffer_init(&text, FILE_MAX);
	error = read_file(path, &text);
	if (error == MM_OK)
		error = find_directory(path, arena, &settings.directory);
	if (error == MM_OK)
		error = mm_grammar_read(
		    &grammar, path, mm_buffer_span(&text), arena, &settings);
	if (error == MM_OK)
		error = resolve(path, arena, &settings);
	if (error == MM_OK)
		error = check_apart(path, &settings);
	if (error == MM_OK)
		error = check_users(path, &settings);
	if (error == MM_OK)
		*out = settings;
	return error;
}
