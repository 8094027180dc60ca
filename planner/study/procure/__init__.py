"""`planner procure`: what to buy, rent, move, turn to liquid and retire, when and where.

The question of one period is the scenario's; here it is asked at every moment of a tree of futures, over
one fleet that is ordered, delivered, deployed and retired. Replicas are counted by what a server of a type
serves at best; everything else (racks, power, heat, grid, latency) has the rows of the full program.
"""
