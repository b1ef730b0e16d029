"""The paper's figures by number, each with the function that makes it."""

from gradpareto.bench.paper import figure2, figure3, figure4, figure5, figure6, figure7
from gradpareto.bench.paper.reproduction import Reproduce

FIGURES: dict[int, Reproduce] = {
    2: figure2.reproduce,
    3: figure3.reproduce,
    4: figure4.reproduce,
    5: figure5.reproduce,
    6: figure6.reproduce,
    7: figure7.reproduce,
}
