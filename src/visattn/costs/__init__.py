"""What a module costs: parameters, MACs, latency, memory."""

from visattn.costs.latency import Timing as Timing
from visattn.costs.latency import interleave as interleave
from visattn.costs.macs import MacCount as MacCount
from visattn.costs.macs import count_macs as count_macs
from visattn.costs.macs import count_params as count_params
from visattn.costs.memory import peak_memory as peak_memory
from visattn.costs.model_cost import ModelCost as ModelCost
from visattn.costs.model_cost import cost as cost
