"""What disks, networks and bad luck do to an ND2 file."""

HOSTILE = (0, 1, 15, 4072, 16_385, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def damaged_copy(content, starts, rng):
    """Return the file with wrong lengths, wrong bits, and maybe without its end."""
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        start = int(rng.choice(starts))
        match int(rng.integers(3)):
            case 0:  # a length
                at, n_bytes = ((start + 4, 4), (start + 8, 8))[int(rng.integers(2))]
                value = HOSTILE[int(rng.integers(len(HOSTILE)))] % 256**n_bytes
                damaged[at : at + n_bytes] = value.to_bytes(n_bytes, "little")
            case 1:  # a bit anywhere
                damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
            case 2:  # a bit in a header
                damaged[start + int(rng.integers(40))] ^= 1 << int(rng.integers(8))
    if rng.random() < 0.3:
        del damaged[int(rng.integers(1, len(damaged))) :]
    return damaged
