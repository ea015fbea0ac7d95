"""Tags and packets of the client's C header are those of Python."""

import shutil
import subprocess

import blake3
import pytest

from openoutcry import PACKAGE
from openoutcry.dpdk_shim import authentication
from tests.support.waiting import BOUND_S

HASHER = r"""
#include "outcry_client.h"
#include <stdio.h>
int main(void) {
    uint8_t key[32], data[OUTCRY_BLAKE3_MAX], tag[32];
    for (int i = 0; i < 32; i++) key[i] = (uint8_t)i;
    for (int i = 0; i < OUTCRY_BLAKE3_MAX; i++) data[i] = (uint8_t)(i % 251);
    const size_t sizes[] = {0, 1, 63, 64, 65, 128, 168, 1023, 1024, 1025, 1472, 2048};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        outcry_tag(key, data, sizes[i], tag, 32);
        for (int j = 0; j < 32; j++) printf("%02x", tag[j]);
        printf(" %zu\n", sizes[i]);
    }
    struct outcry_order orders[3];
    uint8_t packet[OUTCRY_PACKET_MAX];
    memset(orders, 7, sizeof orders);
    const size_t size = outcry_pack(packet, orders, 3, 5, 9, 11, 13, key);
    for (size_t j = 0; j < size; j++) printf("%02x", packet[j]);
    printf(" %d\n", outcry_is_ours(packet, size, key));
    return 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_its_tags_and_packets_are_those_of_python(tmp_path):
    (tmp_path / "hash.c").write_text(HASHER)
    command = ["cc", "-std=c11", "-O2", "-I", str(PACKAGE / "client" / "c"), "hash.c", "-o", "hash"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=BOUND_S)
    said = subprocess.run(
        [str(tmp_path / "hash")], capture_output=True, text=True, check=True, timeout=BOUND_S
    )
    *tags, packet = said.stdout.split("\n")[:-1]
    key, data = bytes(range(32)), bytes(i % 251 for i in range(2048))
    for line in tags:
        tag, size = line.split()
        assert tag == blake3.blake3(data[: int(size)], key=key).hexdigest()
    text, ours = packet.split()
    sealed = bytes.fromhex(text)
    assert ours == "1"
    assert authentication.is_sealed(key, sealed)
    plain = sealed[: -authentication.TRAILER_BYTES]
    assert authentication.seal(key, plain, 13) == sealed
    assert plain[32:] == bytes([7]) * 192
