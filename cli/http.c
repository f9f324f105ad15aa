#include "cli/http.h"

#include <curl/curl.h>

enum { CONNECT_SECONDS = 10, SECONDS = 30 };

static size_t
receive(char *data, size_t size, size_t count, void *self)
{
	struct mm_buffer *out = self;

	mm_buffer_add(out, data, size * count);
	return out->error == MM_OK ? size * count : 0;
}

static CURLcode
set_body(CURL *curl, struct mm_span body)
{
	CURLcode code;

	if (body.data == NULL)
		return CURLE_OK;
	code = curl_easy_setopt(curl, CURLOPT_POST, 1L);
	if (code == CURLE_OK)
		code = curl_easy_setopt(
		    curl, CURLOPT_POSTFIELDSIZE, (long)body.size);
	if (code == CURLE_OK)
		code = curl_easy_setopt(
		    curl, CURLOPT_POSTFIELDS, (const char *)body.data);
	return code;
}

/* Settings that are not made are settings that are not there: all or none. */
static CURLcode
set_limits(CURL *curl, struct mm_buffer *out)
{
	static const struct {
		CURLoption option;
		long value;
	} rows[] = {
	    {CURLOPT_NOSIGNAL, 1},
	    {CURLOPT_FOLLOWLOCATION, 0},
	    {CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS},
	    {CURLOPT_TIMEOUT, SECONDS},
	    {CURLOPT_MAXFILESIZE, MM_HTTP_BODY_MAX},
	};
	CURLcode code =
	    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");

	for (size_t i = 0; i < MM_COUNT(rows) && code == CURLE_OK; i++)
		code = curl_easy_setopt(curl, rows[i].option, rows[i].value);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_USERAGENT, "mintmark");
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
	return code;
}

static CURLcode
perform(CURL *curl, const char *url, struct mm_span body, long *status,
    struct mm_buffer *out)
{
	struct curl_slist *headers =
	    curl_slist_append(NULL, "Content-Type: text/plain");
	CURLcode code =
	    headers != NULL ? set_limits(curl, out) : CURLE_OUT_OF_MEMORY;

	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_URL, url);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (code == CURLE_OK)
		code = set_body(curl, body);
	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	curl_slist_free_all(headers);
	return code;
}

enum mm_error
mm_http(
    const char *url, struct mm_span body, long *status, struct mm_buffer *out)
{
	mm_auto(buffer) answer = {0};
	CURL *curl = curl_easy_init();
	CURLcode code;

	if (curl == NULL)
		return mm_fail(MM_E_MEMORY, "libcurl does not start");
	mm_buffer_init(&answer, MM_HTTP_BODY_MAX);
	code = perform(curl, url, body, status, &answer);
	curl_easy_cleanup(curl);
	if (code != CURLE_OK)
		return mm_fail(
		    MM_E_WITNESS_AWAY, "%s: %s", url, curl_easy_strerror(code));
	mm_buffer_add(out, answer.data, answer.size);
	return out->error;
}
