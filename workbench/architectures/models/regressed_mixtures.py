"""Model of the ensemble of regressed mixtures (`workbench.architectures.regressed_mixtures`)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.architectures.models.regressed_model import RegressedModel
from workbench.core.shapes import Shapes
from workbench.nn.box_limits import BoxLimits
from workbench.nn.broad_normals import BroadNormals
from workbench.nn.lattice import Lattice
from workbench.nn.stacked_masked_network import StackedMaskedNetwork
from workbench.nn.two_piece_normal import TwoPieceNormal

#: Trial training in both orders: steps, rows per step, first learning rate, and most held-out rows.
_STEPS, _BATCH, _RATE, _HELD_OUT = 150, 256, 5e-3, 1000
#: Least advantage at which all members take the better order: in standard errors, and in nats per point; and
#: the most that one point counts.
_ERRORS, _LEAST_GAIN, _MOST_GAIN = 3.0, 0.2, 4.0
#: With more components than these the residuals of each member are turned so that their limits are exact.
_EXACT_IN_ANY_AXES = 2
#: Margin, in standardised units, by which limits are widened where rounding has put a point beyond them.
_ROUNDING = 1e-5


class RegressedMixturesModel(RegressedModel):
    """Ensemble of masked networks; each gives a mixture for every residual, given the residuals before it.

    Parameters
    ----------
    network : residuals (K, n, D) and features of y (n, C) -> parameters of the mixtures of K members,
        (K, n, D, 4 · components).
    folds : parts of the training rows; each member is trained without one of them. 0: members see all rows.
    """

    def __init__(
        self,
        shapes: Shapes,
        network: StackedMaskedNetwork,
        members: int,
        capabilities: frozenset[str],
        folds: int = 0,
    ) -> None:
        # the network has a linear part of its own
        super().__init__(shapes, members, capabilities, learned_regression=False)
        self.network, self.folds = network, folds
        self.broad = BroadNormals()
        self.limits = BoxLimits(members, shapes.x)
        ascending = torch.arange(shapes.x)
        self.register_buffer(
            "orders", torch.stack([ascending if k % 2 == 0 else ascending.flip(0) for k in range(members)])
        )
        # rotations from the common residuals to each member's, in its order; used where `turned`
        self.register_buffer("turns", torch.eye(shapes.x).repeat(members, 1, 1))
        self.register_buffer("turned", torch.zeros((), dtype=torch.bool))
        # half the spacing of whole numbers, in units of each member's residuals in its order; 0 for others
        self.lattice = Lattice(shapes.x)
        self.register_buffer("half_steps", torch.zeros(members, shapes.x))
        self.is_turned = False  # the same as a Python bool: a traced graph holds one branch only

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        for name in ("turns", "turned", "half_steps"):  # a version without them
            state.setdefault(prefix + name, torch.zeros_like(getattr(self, name)))
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.is_turned = bool(self.turned)

    @property
    def truncates(self) -> bool:
        return True

    @torch.no_grad()
    def prepare(self, x: Tensor, y: Tensor | None, bounds: Tensor) -> None:
        """Fit soft edges, regression and features of y to the training data, and choose the residuals' order.

        The bounds of x that have no soft edge become limits of the residuals. x (n, D), y (n, M) and
        ``bounds`` (2, D) of x are in standardised units.
        """
        x = self.lattice.nearest(x)
        super().prepare(x, y, bounds)
        edges = torch.full_like(bounds, torch.inf) * bounds.new_tensor([[-1.0], [1.0]])
        if not self.cut.on:
            soft = (self.edges.has_low + self.edges.has_high) > 0
            edges = torch.where(soft, edges, bounds)
        self._set_limits(edges)
        self._choose_order(x, y, edges)
        # broad tails beyond the image of an edge would pile up at the edge as a spike of the density
        if (
            self.cross_fitted
            and not self.cut.on
            and not bool((self.edges.has_low + self.edges.has_high).any())
        ):
            self.broad.start()

    def keep_together(self, labels: Tensor) -> None:
        self.labels = labels

    def learn_whole_numbers(self, origin: Tensor, step: Tensor) -> None:
        self.lattice.prepare(origin, step)

    def bounds_of_edges(self, bounds: Tensor) -> Tensor:
        return self.lattice.without_edges(bounds)

    def rounding_variance(self) -> Tensor | None:
        return self.lattice.step.square() / 12 if self.lattice.on else None

    def _set_limits(self, edges: Tensor) -> None:
        """Set the limits of the residuals of x in the box ``edges`` (2, D).

        Three or more residuals are turned: the whitening of each member becomes triangular in its order. They
        stay white, and their limits are exact, as are the intervals of whole numbers.
        """
        factor, inverse = self.regression.factor, self.regression.inverse_factor
        simple = self.features <= _EXACT_IN_ANY_AXES or not bool(edges.isfinite().any())
        if simple and not self.lattice.on:
            self.limits.prepare(edges, factor, inverse, self.orders)
            return
        maps = []
        for k, order in enumerate(self.orders):
            covariance = (inverse.double() @ inverse.double().T)[order][:, order]
            root = torch.linalg.cholesky(covariance)  # x in this order = root · residuals + shift
            maps.append(root)
            self.half_steps[k].copy_(self.lattice.step[order] / 2 / root.diagonal())
            self.turns[k].copy_(torch.linalg.solve_triangular(root, inverse.double()[order], upper=False))
        self.limits.prepare_triangular(edges, torch.stack(maps), self.orders)
        self.turned.fill_(True)
        self.is_turned = True

    def _to_members(self, u: Tensor, members: slice) -> Tensor:
        """Map the common residuals u (n, D) to those of the members, each in its order: (m, n, D)."""
        if self.is_turned:
            return u @ self.turns[members].mT
        return u[:, self.orders[members]].movedim(1, 0)

    def _from_members(self, u: Tensor, members: slice) -> Tensor:
        """Map the members' residuals u (m, n, D) to the common ones (m, n, D)."""
        if self.is_turned:
            return u @ self.turns[members]
        return u.gather(-1, self.orders[members].argsort(-1)[:, None].expand(u.shape))

    def _choose_order(self, x: Tensor, y: Tensor | None, edges: Tensor) -> None:
        """Train two members briefly, one with the residuals in ascending, one in descending order.

        If held-out data are clearly more likely under one of the two, all members take its order.
        """
        held_out = min(_HELD_OUT, len(x) // 10)
        if self.features < 2 or self.members < 2 or held_out < 20:
            return
        trial, rows = copy.deepcopy(self), len(x) - held_out
        optimiser = torch.optim.Adam(trial.network.parameters(), lr=_RATE, betas=(0.9, 0.99))
        size = min(_BATCH, rows)
        for step in range(_STEPS):
            for group in optimiser.param_groups:  # at a constant rate the comparison would depend on chance
                group["lr"] = _RATE * (1 - step / _STEPS)
            where = torch.arange(step * size, (step + 1) * size, device=x.device) % rows
            with torch.enable_grad():
                own = None if y is None else y[where]
                loss = -trial.log_probs(x[where], own, slice(0, 2), where).mean()
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(trial.network.parameters(), 1.0)
                optimiser.step()
        others = torch.arange(rows, len(x), device=x.device)
        log_probs = trial.log_probs(x[rows:], None if y is None else y[rows:], slice(0, 2), others)
        # a single row, which a short training has left out, must not decide
        gain = (log_probs[0] - log_probs[1]).double().clamp(-_MOST_GAIN, _MOST_GAIN)
        if self.labels is not None:  # rows that belong to none of those trained on
            gain = gain[~torch.isin(self.labels[rows:], self.labels[:rows]).to(gain.device)]
            held_out = len(gain)
            if held_out < 20:
                return
        if abs(float(gain.mean())) > max(_LEAST_GAIN, _ERRORS * float(gain.std()) / held_out**0.5):
            self.orders.copy_(self.orders[0 if gain.mean() > 0 else 1].expand_as(self.orders))
            self._set_limits(edges)

    def _mixtures(
        self, u: Tensor, c: Tensor | None, shift: Tensor, members: slice
    ) -> tuple[TwoPieceNormal, tuple[Tensor, Tensor] | None]:
        """Return the mixtures of each residual given those before it, and the limits of their truncation.

        The residuals u (m, n, D) are in each member's order. Limits are a pair (low, high), or None.
        """
        return TwoPieceNormal.read(self.network(u, c, members)), self.limits(u, shift, members)

    def log_probs(
        self, x: Tensor, y: Tensor | None, members: slice = slice(None), rows: Tensor | None = None
    ) -> Tensor:
        """log q_k(x | y) (m, n) in nats, for the m ensemble members in ``members``.

        ``rows`` (n,) are the positions of x among the training rows, where they are training rows.
        """
        check_rows("x", x, self.features)
        check_context(y, self.context, x.shape[0])
        # nothing before the network is learned
        with torch.set_grad_enabled(x.requires_grad or (y is not None and y.requires_grad)):
            c = self.features_of(y)
            u, total, regression = self.residuals(self.lattice.nearest(x), c, rows)
            u = self._to_members(u, members)
        mixtures, limits = self._mixtures(u, c, regression.shift, members)
        if limits is not None:
            points = u.detach()
            limits = (
                torch.minimum(limits[0], points - _ROUNDING),
                torch.maximum(limits[1], points + _ROUNDING),
            )
        return mixtures.log_prob(u, limits, self._half_steps(members)).sum(-1) + total

    def _half_steps(self, members: slice) -> Tensor | None:
        """Return half the spacing of whole numbers (m, 1, D) in the members' residuals; None without any."""
        return self.half_steps[members, None] if self.lattice.on else None

    def _at_whole_number(self, u: Tensor, i: int, shift: Tensor, members: slice) -> Tensor:
        """Move component i of residuals u (m, n, D), in each member's order, to the nearest whole number.

        The components before it are there already. Returns it (m, n); real numbers stay as they are.
        """
        if not self.lattice.on:
            return u[..., i]
        root, column = self.limits.map[members, i], self.orders[members, i]
        before = (u[..., :i] * root[:, None, :i]).sum(-1) + shift.expand(u.shape[1], -1)[:, column].T
        scale = root[:, i, None]
        return (self.lattice.nearest(before + scale * u[..., i], column) - before) / scale

    @property
    def cross_fitted(self) -> bool:
        return self.folds > 1

    def _leaves_out(self, rows: Tensor) -> Tensor:
        """(K, n), true where a member is trained without a row, for the positions of n training rows."""
        members = torch.arange(self.members, device=rows.device) % self.folds
        folds = rows if self.labels is None else self.labels.to(rows.device)[rows]
        return members[:, None] == folds % self.folds

    def log_prob_to_train(self, x: Tensor, y: Tensor | None, rows: Tensor | None = None) -> Tensor:
        if rows is None or not self.cross_fitted:
            return super().log_prob_to_train(x, y)
        learns = ~self._leaves_out(rows)
        return torch.where(learns, self.log_probs(x, y, rows=rows), 0.0).sum(0) * (x.shape[0] / learns.sum())

    def mixed_log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        average = super().mixed_log_prob(x, y)
        return self.broad.log_prob(average, self._broad_log_probs(x, y)) if self.broad.on else average

    def unseen_log_probs(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return log-densities of all training rows x (n, D) given y (n, M), in their order.

        The first (n,) is the logarithm of the mean density by the members trained without a row, the second
        (J, n) are those of the broad normals.
        """
        rows = torch.arange(x.shape[0], device=x.device)
        out = self._leaves_out(rows)
        each = torch.where(out, self.log_probs(x, y, rows=rows), -torch.inf)
        return torch.logsumexp(each, 0) - out.sum(0).log(), self._broad_log_probs(x, y, rows)

    def cross_validated_log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.broad.log_prob(*self.unseen_log_probs(x, y))

    @torch.no_grad()
    def calibrate(self, x: Tensor, y: Tensor | None, more_x: Tensor, more_y: Tensor | None) -> None:
        if not self.broad.on:
            return
        training = self.unseen_log_probs(x, y)
        more = super().mixed_log_prob(more_x, more_y), self._broad_log_probs(more_x, more_y)
        self.broad.fit(torch.cat([training[0], more[0]]), torch.cat([training[1], more[1]], 1))

    def _broad_log_probs(self, x: Tensor, y: Tensor | None, rows: Tensor | None = None) -> Tensor:
        """log-densities (J, n) of the broad normals at x (n, D), truncated like the first member."""
        c = self.features_of(y)
        u, total, regression = self.residuals(self.lattice.nearest(x), c, rows)
        u = self._to_members(u, slice(0, 1))
        limits = self.limits(u, regression.shift, slice(0, 1))
        if limits is not None:
            limits = torch.minimum(limits[0], u - _ROUNDING), torch.maximum(limits[1], u + _ROUNDING)
        scales = self.broad.scales[:, None, None, None]
        normal = TwoPieceNormal(torch.zeros_like(scales), torch.zeros_like(scales), scales, scales)
        return normal.log_prob(u, limits, self._half_steps(slice(0, 1))).sum(-1) + total

    def _invert_broad(self, z: Tensor, c: Tensor | None, scales: Tensor) -> Tensor:
        """Map z (m, n, D) to residuals (m, n, D) of the m broad normals with ``scales``."""
        first, u, shift = slice(0, 1), torch.zeros_like(z), self.regression(c).shift
        zero = torch.zeros_like(z[..., :1])
        spread = zero + scales[:, None, None]
        normal = TwoPieceNormal(zero, zero, spread, spread)
        for i in range(self.features):
            limits = self.limits(u, shift, first)
            column = normal.draw(z[:, :, i], limits and (limits[0][..., i], limits[1][..., i]))
            u = torch.cat([u[..., :i], column[..., None], u[..., i + 1 :]], -1)
            u[..., i] = self._at_whole_number(u, i, shift, first)
        return self._from_members(u, first)

    @property
    def choices(self) -> int:
        return self.members + (len(self.broad.scales) if self.broad.on else 0)

    def choice(self, z: Tensor) -> Tensor:
        return self.broad.choice(z, self.members) if self.broad.on else super().choice(z)

    @torch.no_grad()
    def invert_members(self, z: Tensor, c: Tensor | None, members: slice) -> Tensor:
        if members.start is not None and members.start >= self.members:
            which = slice(members.start - self.members, members.stop - self.members)
            return self._invert_broad(z, c, self.broad.scales[which])
        u, shift = torch.zeros_like(z), self.regression(c).shift
        for i in range(self.features):
            mixtures, limits = self._mixtures(u, c, shift, members)
            parts = (mixtures.log_share, mixtures.middle, mixtures.below, mixtures.above)
            mixture = TwoPieceNormal(*(part[:, :, i] for part in parts))
            column = mixture.draw(z[:, :, i], limits and (limits[0][..., i], limits[1][..., i]))
            u = torch.cat([u[..., :i], column[..., None], u[..., i + 1 :]], -1)
            u[..., i] = self._at_whole_number(u, i, shift, members)
        return self._from_members(u, members)
