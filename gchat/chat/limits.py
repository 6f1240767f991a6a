"""The limits of the core, and the pace at which a connection may send. Pure: the time is always given."""

from __future__ import annotations

from msgspec import Struct, structs

from gchat.model.events import Slowed


class Rates(Struct, frozen=True, forbid_unknown_fields=True):
    """The rates at which a user may send: a burst at once, then so much a second. A rate of 0 means no limit."""

    messages_per_s: float = 0.0
    burst: float = 1.0
    bytes_per_s: float = 0.0
    bytes_burst: float = 1.0

    def times(self, factor: float) -> Rates:
        """Return what `factor` users may send together: bursts grow half as much, because they rarely coincide."""
        bursts = max(1.0, factor / 2)
        return Rates(
            self.messages_per_s * factor, self.burst * bursts, self.bytes_per_s * factor, self.bytes_burst * bursts
        )


class Limits(Struct, forbid_unknown_fields=True):
    """The limits of the core; shared, and changed in place when the configuration is reloaded."""

    max_rooms: int = 1000
    max_rooms_per_user: int = 50
    nick_max: int = 32
    max_text_bytes: int = 8192  # of one message; in the plain dialect that is a line
    presence_quiet_above: int = 500
    announce_after_s: float = 0.0  # how long a silent plain user waits before the room is told
    replay_on_join: int = 10
    who_max: int = 100  # names in one answer
    page_max: int = 100  # messages in one page of history
    motd: str = ""
    prompt: str = "[You] "
    registration: str = "open"  # who makes accounts: "open", "operator" or "closed"
    login_required: bool = False  # whether users without an account may only log in
    allow_plaintext: bool = False  # whether secrets are taken where somebody can read along
    announced: tuple[tuple[str, int | float], ...] = ()  # the limits that the shell enforces, for programs
    rates: Rates = Rates()  # of each user
    network_rates: Rates = Rates()  # of all users of one network together
    rooms_per_network: int | None = None  # rooms that users of one network hold open; None means no limit
    connections_per_network: int | None = None  # connections, and as many disconnected users; None means no limit
    exempt: str = ""  # the networks without these limits, separated by spaces
    operators: str = ""  # the accounts of operators of the server, separated by spaces


#: A time between these bounds in which nothing was read may be a stall of the server or the network: what has gathered
#: meanwhile was not sent too fast. A longer one is silence.
MIN_STALL_S, MAX_STALL_S = 1.0, 30.0

#: An allowance of fewer bytes is used up.
SPENT_BYTES = 1024


class Allowance:
    """The lines and bytes that a user, or all users of one network together, may send now; below zero is a debt.

    It grows at the rate, up to the burst; after a stall it is larger by what could have been sent meanwhile.
    """

    __slots__ = ("_at", "bytes", "lines", "told")

    def __init__(self, rates: Rates, now: float) -> None:
        self.lines = rates.burst
        self.bytes = rates.bytes_burst
        self._at = now
        self.told = False  # whether the user was told of being slowed since this was last full

    def grow(self, rates: Rates, now: float) -> None:
        """Add what the time since the last call allows."""
        gap, self._at = now - self._at, now
        was_long = gap >= MIN_STALL_S
        if was_long or self.lines < rates.burst:
            self.lines = _grown(self.lines, gap, rates.messages_per_s, rates.burst)
        if was_long or self.bytes < rates.bytes_burst:
            self.bytes = _grown(self.bytes, gap, rates.bytes_per_s, rates.bytes_burst)
        if self.told and self.is_full(rates):
            self.told = False

    def is_full(self, rates: Rates) -> bool:
        """Return whether all that was spent has been earned again."""
        return self.lines >= rates.burst and self.bytes >= rates.bytes_burst

    def is_spent(self, rates: Rates) -> bool:
        """Return whether there is no line left, or next to no bytes."""
        return self.lines < 1 or (self.bytes < SPENT_BYTES and bool(rates.bytes_per_s))

    def debt_s(self, rates: Rates) -> float:
        """Return the seconds until the debt is paid."""
        if self.lines >= 0 and self.bytes >= 0:
            return 0.0
        lines_s = -self.lines / rates.messages_per_s if self.lines < 0 and rates.messages_per_s else 0.0
        bytes_s = -self.bytes / rates.bytes_per_s if self.bytes < 0 and rates.bytes_per_s else 0.0
        return max(lines_s, bytes_s)


def _grown(amount: float, gap: float, rate: float, burst: float) -> float:
    if not rate:
        return burst
    earned = gap * rate
    if MIN_STALL_S <= gap <= MAX_STALL_S:
        return burst + earned if amount > burst else amount + earned
    if amount >= burst or earned <= 0:
        return amount
    if amount + earned < burst:
        return amount + earned
    return burst


class Pace:
    """The pace at which one connection is read, by the allowances of its user and, if it has one, of its network."""

    __slots__ = ("_limits", "_network", "_told_of_network", "own")

    def __init__(self, limits: Limits, own: Allowance, network: Allowance | None) -> None:
        self._limits = limits
        self._network = network
        self._told_of_network = False
        self.own = own

    def lines(self, most: int) -> int:
        """Return how many lines may be taken now, at most so many, and at least one: its debt is waited for later."""
        left, network = self.own.lines, self._network
        if network is not None and network.lines < left:
            left = network.lines
        return most if left >= most else int(left) if left > 1 else 1

    def bytes(self, least: int, most: int) -> int:
        """Return how many bytes to read at once, between these bounds: few while there is a debt."""
        left, network = self.own.bytes, self._network
        if network is not None and network.bytes < left:
            left = network.bytes
        if left >= most or not self._limits.rates.bytes_per_s:
            return most
        return int(left) if left > least else least

    def received(self, size: int, now: float) -> None:
        """Pay for received bytes, whatever they are."""
        own, network = self.own, self._network
        own.grow(self._limits.rates, now)
        own.bytes -= size
        if network is not None:
            network.grow(self._limits.network_rates, now)
            network.bytes -= size

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left: the user sends as fast as the rates allow, or the network's users together do."""
        own, network = self.own, self._network
        return own.is_spent(self._limits.rates) or (
            network is not None and network.is_spent(self._limits.network_rates)
        )

    def spend(self, lines: int) -> bool:
        """Pay for lines; return whether there is a debt now: more was paid for than is allowed, or received."""
        own, network = self.own, self._network
        own.lines -= lines
        if network is not None:
            network.lines -= lines
            if network.lines < 0 or network.bytes < 0:
                return True
        return own.lines < 0 or own.bytes < 0

    def debt_s(self) -> float:
        """Return the seconds until all debts are paid, as of when the allowances have grown last."""
        own, network = self.own, self._network
        own_s = own.debt_s(self._limits.rates) if own.lines < 0 or own.bytes < 0 else 0.0
        return own_s if network is None else max(own_s, network.debt_s(self._limits.network_rates))

    def grow(self, now: float) -> None:
        """Add what the time since the last call allows."""
        self.own.grow(self._limits.rates, now)
        if self._network is not None:
            self._network.grow(self._limits.network_rates, now)

    def notice(self) -> Slowed | None:
        """Return the notice of a debt for the user, None if the user was told already."""
        rates = self._limits.rates
        if self.own.debt_s(rates):
            was_told, self.own.told = self.own.told, True
            return None if was_told else _slowed(self.own, rates)
        was_told, self._told_of_network = self._told_of_network, True
        if was_told or self._network is None:
            return None
        return structs.replace(_slowed(self._network, self._limits.network_rates), together=True)


def _slowed(allowance: Allowance, rates: Rates) -> Slowed:
    by_bytes = allowance.bytes < 0 and rates.bytes_per_s and allowance.lines >= 0
    return Slowed(rates.messages_per_s, rates.bytes_per_s if by_bytes else None)
