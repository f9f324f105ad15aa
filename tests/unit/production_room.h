/* The pieces of which tests make templates, and a directory with the rows and
 * the partition table that those name. */
#ifndef MM_TESTS_PRODUCTION_ROOM_H
#define MM_TESTS_PRODUCTION_ROOM_H

#include "tests/unit/produce_room.h"

#define KEY "key = \"P-256\"\n"
#define RSA "key = \"RSA-2048\"\n"
#define CHIP "chip = \"esp32c3\"\npartitions = \"partitions.csv\"\n"
#define NVS(more) "image creds { format = nvs rows = \"creds.csv\" " more " }\n"
#define CERT(more) \
	"image esp_secure_cert { format = \"secure-cert\" " more " }\n"
#define KEYS(more) "image nvs_keys { format = \"nvs-keys\" " more " }\n"
#define ROWS \
	"key,type,encoding,value\nmfg,namespace,,\n" \
	"key,file,binary,{key.der}\n"
#define TABLE \
	"nvs_keys, data, nvs_keys, 0x9000, 0x1000, encrypted\n" \
	"creds, data, nvs, 0xa000, 0x6000\n" \
	"esp_secure_cert, 0x3f, 0, 0x10000, 0x2000, encrypted\n" \
	"plain_cert, 0x3f, 0, 0x12000, 0x2000\n" \
	"factory, app, factory, 0x20000, 1M\n"

static inline void
begin(struct produce_room *room)
{
	room_begin(room);
	room_write(room, "creds.csv", ROWS);
	room_write(room, "partitions.csv", TABLE);
	room_give(room, "device", "lamp-1");
}

#endif
