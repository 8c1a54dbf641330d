"""Realisable linear-Gaussian inverse problem, for which every quantity of the theory is known exactly.

X ~ N(0, Σ), Y = AX, V = A Σ Aᵀ;  B with B Σ Aᵀ = 0 and B Σ Bᵀ = I, so that T*(x) = (Ax, Bx) solves it
T*⁻¹(y, z) = K y + L z,  K = Σ Aᵀ V⁻¹,  L Lᵀ = Σ - K A Σ: the exact posterior N(Ky, LLᵀ)
learned    M̂ = [A; B] + ε E:  L_y = ε² tr(E_y Σ E_yᵀ), J = |M̂⁻¹|, posterior N(K̂y, L̂L̂ᵀ) with M̂⁻¹ = [K̂
           L̂]
compared   P_{Y,Z} = N(0, diag(V, I)) and P_{Y,T_z(X)} = N(0, G Σ Gᵀ), G = [A; B + ε E_z]: KL in closed form,
           TV by samples of the known densities
Source: derived for this project; with noise, Y = AX + σ e, put e into x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.errors import SpecError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import MultivariateNormal


@dataclass(frozen=True)
class LinearGaussian:
    """A linear-Gaussian inverse problem: Σ (D, D), A (M, D) with M < D, and B (D-M, D) that completes A."""

    covariance: Tensor
    observe: Tensor
    complete: Tensor

    @classmethod
    def random(cls, features: int, observed: int, seed: int = 0) -> LinearGaussian:
        """Draw a well-conditioned problem with ``features`` D and ``observed`` M, in double precision."""
        if not 0 < observed < features:
            raise SpecError(
                "A linear inverse problem observes some of its unknowns", found=f"{observed} of {features}"
            )
        generator = torch.Generator().manual_seed(seed)
        root = torch.randn(features, features, generator=generator, dtype=torch.float64)
        observe = torch.randn(observed, features, generator=generator, dtype=torch.float64)
        return cls.of(root @ root.T / features + 0.3 * torch.eye(features, dtype=torch.float64), observe)

    @classmethod
    def of(cls, covariance: Tensor, observe: Tensor) -> LinearGaussian:
        """Return the problem of ``covariance`` Σ and ``observe`` A, with a B that completes A.

        With Σ = RRᵀ the rows of B R are an orthonormal basis of the kernel of A R.
        """
        root = torch.linalg.cholesky(covariance)
        basis = torch.linalg.svd(observe @ root).Vh[len(observe) :]
        return cls(covariance, observe, torch.linalg.solve_triangular(root, basis, upper=False, left=False))

    @property
    def joint(self) -> Tensor:
        """The exact map T* = [A; B] as a matrix (D, D)."""
        return torch.cat([self.observe, self.complete])

    def gain(self) -> Tensor:
        """Return K (D, M), with which the posterior's mean is K y."""
        cross = self.covariance @ self.observe.T
        return cross @ torch.linalg.inv(self.observe @ cross)

    def posterior_covariance(self) -> Tensor:
        """Return the covariance of the posterior, Σ - K A Σ (D, D)."""
        return self.covariance - self.gain() @ self.observe @ self.covariance


@dataclass(frozen=True)
class Perturbed:
    """A learned linear map M̂ (D, D) for a problem, with exact values of all quantities in the bounds."""

    problem: LinearGaussian
    matrix: Tensor

    @property
    def observed(self) -> int:
        """Number M of components of y."""
        return len(self.problem.observe)

    def misfit(self) -> float:
        """Return L_y = E|T_y(X) - Y|² of the learned map."""
        error = self.matrix[: self.observed] - self.problem.observe
        return float((error @ self.problem.covariance @ error.T).trace())

    def laws(self) -> tuple[MultivariateNormal, MultivariateNormal]:
        """Return the normal distributions P_{Y,Z} and P_{Y,T_z(X)}."""
        m, sigma = self.observed, self.problem.covariance
        prior = torch.eye(len(sigma), dtype=sigma.dtype)
        prior[:m, :m] = self.problem.observe @ sigma @ self.problem.observe.T
        joint = torch.cat([self.problem.observe, self.matrix[m:]])
        zero, covariance = torch.zeros(len(sigma), dtype=sigma.dtype), joint @ sigma @ joint.T
        normal = torch.distributions.MultivariateNormal
        return normal(zero, prior), normal(zero, 0.5 * (covariance + covariance.T))

    def kl(self) -> float:
        """Return KL(P_{Y,Z} || P_{Y,T_z(X)}) in nats."""
        p, q = self.laws()
        ratio = torch.linalg.solve(q.covariance_matrix, p.covariance_matrix)
        return float(0.5 * (ratio.trace() - len(ratio) - ratio.logdet()))

    def total_variation(self, n: int = 200_000, seed: int = 0) -> float:
        """Estimate TV(P_{Y,Z}, P_{Y,T_z(X)}) from ``n`` draws of the first, p: mean of max(1 - q/p, 0)."""
        p, q = self.laws()
        noise = torch.randn(n, len(p.loc), generator=torch.Generator().manual_seed(seed), dtype=p.loc.dtype)
        draws = noise @ p.scale_tril.T
        return float((1 - (q.log_prob(draws) - p.log_prob(draws)).exp()).clamp_min(0).mean())

    def lipschitz(self) -> float:
        """Return J = |M̂⁻¹|, the Lipschitz constant of the learned inverse."""
        return float(torch.linalg.matrix_norm(torch.linalg.inv(self.matrix), ord=2))

    def moment(self, a: int) -> float:
        """Return R, the larger moment of order 1 + a of both distributions, for a = 1 or 3.

        For covariance S: E|u|² = tr S and E|u|⁴ = (tr S)² + 2 tr S².
        """
        if a not in (1, 3):
            raise SpecError(
                "The moments of a Gaussian are written down for a = 1 and a = 3", found=f"a = {a}"
            )
        covariances = [normal.covariance_matrix for normal in self.laws()]
        if a == 1:
            return max(float(s.trace()) for s in covariances)
        return max(float(s.trace() ** 2 + 2 * (s @ s).trace()) for s in covariances)

    def posterior_distance(self, n: int = 4000, seed: int = 0) -> float:
        """Estimate E_Y W2(exact posterior, learned posterior) >= E_Y W1 from ``n`` draws of Y."""
        inverse = torch.linalg.inv(self.matrix)
        gain, spread = inverse[:, : self.observed], inverse[:, self.observed :]
        exact, estimate = self.problem.posterior_covariance(), spread @ spread.T
        root = _root(exact)
        bures = (exact + estimate - 2 * _root(root @ estimate @ root)).trace().clamp_min(0)
        scale = torch.linalg.cholesky(self.problem.observe @ self.problem.covariance @ self.problem.observe.T)
        generator = torch.Generator().manual_seed(seed)
        y = torch.randn(n, self.observed, generator=generator, dtype=scale.dtype) @ scale.T
        means = (y @ (gain - self.problem.gain()).T).square().sum(-1)
        return float((means + bures).sqrt().mean())


def perturbed(problem: LinearGaussian, size: float, direction: Tensor) -> Perturbed:
    """Return the learned map M̂ = [A; B] + ε E, with ε = ``size`` and E = ``direction`` (D, D)."""
    return Perturbed(problem, problem.joint + size * direction)


def _root(matrix: Tensor) -> Tensor:
    """Return the symmetric square root of a positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
