"""Realisable linear-Gaussian inverse problem, for which all quantities of VINA Theorem 3.1 are known exactly.

problem    X ~ N(0, Σ) in D dimensions, Y = AX in M < D, V = A Σ Aᵀ the covariance of Y
exact map  T*(x) = (Ax, Bx) for B with B Σ Aᵀ = 0 and B Σ Bᵀ = I, so that Z = BX ~ N(0, I) is independent of Y
           T*⁻¹(y, z) = K y + L z,  K = Σ Aᵀ V⁻¹ (D, M),  L (D, D-M) with L Lᵀ = Σ - K A Σ: given y and for
           z ~ N(0, I) this is the exact posterior N(Ky, LLᵀ)
learned    T(x) = M̂ x,  M̂ = [A; B] + ε E, the exact map with an error of size ε along E = [E_y; E_z]:
           L_y = E|T_y(X) - Y|² = ε² tr(E_y Σ E_yᵀ); J = |M̂⁻¹|, the Lipschitz constant of T⁻¹;
           posterior N(K̂y, L̂L̂ᵀ) with M̂⁻¹ = [K̂ L̂]
compared   P_{Y,Z} = N(0, diag(V, I)) and P_{Y,T_z(X)} = N(0, G Σ Gᵀ), G = [A; B + ε E_z]: their KL divergence
           in closed form, their total variation by samples of the known densities
Source: derived for this project, for VINA (arXiv:2602.20480); with noise, Y = AX + σ e, put e into x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.core.errors import SpecError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import MultivariateNormal


@dataclass(frozen=True)
class LinearGaussian:
    """A linear-Gaussian inverse problem X ~ N(0, Σ), Y = AX, with the rows B that complete A to a bijection.

    Attributes
    ----------
    covariance : Σ (D, D), of x.
    observe : A (M, D) with M < D.
    complete : B (D-M, D) with B Σ Aᵀ = 0 and B Σ Bᵀ = I, so that BX is N(0, I) and independent of Y.
    """

    covariance: Tensor
    observe: Tensor
    complete: Tensor

    @classmethod
    @public
    def random(cls, features: int, observed: int, seed: int = 0) -> LinearGaussian:
        """Draw a well-conditioned problem with D = ``features`` unknowns and M = ``observed`` observations.

        In double precision.
        """
        if not 0 < observed < features:
            raise SpecError(
                "A linear inverse problem observes some of its unknowns", found=f"{observed} of {features}"
            )
        generator = torch.Generator().manual_seed(seed)
        root = torch.randn(features, features, generator=generator, dtype=torch.float64)
        observe = torch.randn(observed, features, generator=generator, dtype=torch.float64)
        return cls.of(root @ root.T / features + 0.3 * torch.eye(features, dtype=torch.float64), observe)

    @classmethod
    @public
    def of(cls, covariance: Tensor, observe: Tensor) -> LinearGaussian:
        """Return the problem X ~ N(0, Σ), Y = AX for Σ = ``covariance`` and A = ``observe``.

        Its B completes A: with Σ = RRᵀ the rows of B R are an orthonormal basis of the kernel of A R.
        """
        root = torch.linalg.cholesky(covariance)
        basis = torch.linalg.svd(observe @ root).Vh[len(observe) :]
        return cls(covariance, observe, torch.linalg.solve_triangular(root, basis, upper=False, left=False))

    @property
    def joint(self) -> Tensor:
        """The exact map T*: x -> (y, z) = (Ax, Bx) as a matrix [A; B] (D, D)."""
        return torch.cat([self.observe, self.complete])

    def gain(self) -> Tensor:
        """Return K = Σ Aᵀ (A Σ Aᵀ)⁻¹ (D, M): the mean of the posterior of x given y is K y."""
        cross = self.covariance @ self.observe.T
        return cross @ torch.linalg.inv(self.observe @ cross)

    def posterior_covariance(self) -> Tensor:
        """Return the posterior covariance of x given y, the same for all y: Σ - K A Σ (D, D), K = `gain`."""
        return self.covariance - self.gain() @ self.observe @ self.covariance


@dataclass(frozen=True)
class Perturbed:
    """A learned linear map T(x) = M̂ x for a problem, with exact values of the terms of VINA Theorem 3.1.

    The theorem (arXiv:2602.20480) bounds the distance between true and learned posterior. ``matrix`` is M̂
    (D, D); its first M rows T_y predict y, the others T_z the latents z, with the prior Z ~ N(0, I).
    """

    problem: LinearGaussian
    matrix: Tensor

    @property
    def observed(self) -> int:
        """Number M of components of y."""
        return len(self.problem.observe)

    def misfit(self) -> float:
        """Return L_y = E|T_y(X) - Y|², the squared error of the y that the learned map predicts."""
        error = self.matrix[: self.observed] - self.problem.observe
        return float((error @ self.problem.covariance @ error.T).trace())

    def laws(self) -> tuple[MultivariateNormal, MultivariateNormal]:
        """Return the normal distributions of (Y, Z) and of (Y, T_z(X)).

        Z ~ N(0, I) is the latent prior, T_z(X) the latents of the data under the learned map.
        """
        m, sigma = self.observed, self.problem.covariance
        prior = torch.eye(len(sigma), dtype=sigma.dtype)
        prior[:m, :m] = self.problem.observe @ sigma @ self.problem.observe.T
        joint = torch.cat([self.problem.observe, self.matrix[m:]])
        zero, covariance = torch.zeros(len(sigma), dtype=sigma.dtype), joint @ sigma @ joint.T
        normal = torch.distributions.MultivariateNormal
        return normal(zero, prior), normal(zero, 0.5 * (covariance + covariance.T))

    def kl(self) -> float:
        """Return KL(P_{Y,Z} || P_{Y,T_z(X)}) in nats, Z the latent prior and T_z(X) the data's latents."""
        p, q = self.laws()
        ratio = torch.linalg.solve(q.covariance_matrix, p.covariance_matrix)
        return float(0.5 * (ratio.trace() - len(ratio) - ratio.logdet()))

    def total_variation(self, n: int = 200_000, seed: int = 0) -> float:
        """Estimate the total variation of the laws p of (Y, Z) and q of (Y, T_z(X)), see `laws`.

        It is the mean of max(1 - q/p, 0) over ``n`` draws of p.
        """
        p, q = self.laws()
        noise = torch.randn(n, len(p.loc), generator=torch.Generator().manual_seed(seed), dtype=p.loc.dtype)
        draws = noise @ p.scale_tril.T
        return float((1 - (q.log_prob(draws) - p.log_prob(draws)).exp()).clamp_min(0).mean())

    def lipschitz(self) -> float:
        """Return J, the Lipschitz constant of the learned inverse T⁻¹: the largest singular value of M̂⁻¹."""
        return float(torch.linalg.matrix_norm(torch.linalg.inv(self.matrix), ord=2))

    def moment(self, a: int) -> float:
        """Return R, the larger of the moments E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a), for a = 1 or 3.

        For a centred normal u of covariance S: E|u|² = tr S and E|u|⁴ = (tr S)² + 2 tr S².
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
        """Estimate E_Y W2, the mean Wasserstein-2 distance of true and learned posterior over ``n`` draws Y.

        For each y it is exact, in the units of x; it is at least the Wasserstein-1 distance, which the
        theorem bounds.
        """
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


@public
def perturbed(problem: LinearGaussian, size: float, direction: Tensor) -> Perturbed:
    """Return the learned map M̂ = [A; B] + ε E: the exact map of the problem with an error.

    ε = ``size`` and E = ``direction`` (D, D).
    """
    return Perturbed(problem, problem.joint + size * direction)


def _root(matrix: Tensor) -> Tensor:
    """Return the symmetric square root of a positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
