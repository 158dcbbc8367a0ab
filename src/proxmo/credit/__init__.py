"""Credit: turns the steps of a batch of trajectories into advantages.

Pure functions over arrays, with numpy and scipy alone. Every estimator is a frozen
dataclass of its hyperparameters, called with `Steps` and answering with `Credit`.
"""

from proxmo.credit.bellman import Bellman
from proxmo.credit.g2po import G2PO
from proxmo.credit.gigpo import GiGPO
from proxmo.credit.graphgpo import GraphGPO
from proxmo.credit.grpo import GRPO
from proxmo.credit.hgpo import HGPO
from proxmo.credit.proxmo import ProxMO, ProxMOEpisode, ProxMOStep
from proxmo.credit.registry import CREDIT, DEFAULT_METHOD, check_option, defaults, make, method_of
from proxmo.credit.reinforce import ReinforcePlusPlus
from proxmo.credit.released import ReleasedProxMO
from proxmo.credit.result import Credit, Estimator
from proxmo.credit.rloo import RLOO
from proxmo.credit.steps import Steps
from proxmo.credit.survivors import credit_survivors
from proxmo.credit.turn_index import TurnIndex

__all__ = [
    "CREDIT",
    "DEFAULT_METHOD",
    "G2PO",
    "GRPO",
    "HGPO",
    "RLOO",
    "Bellman",
    "Credit",
    "Estimator",
    "GiGPO",
    "GraphGPO",
    "ProxMO",
    "ProxMOEpisode",
    "ProxMOStep",
    "ReinforcePlusPlus",
    "ReleasedProxMO",
    "Steps",
    "TurnIndex",
    "check_option",
    "credit_survivors",
    "defaults",
    "make",
    "method_of",
]
